// Runs before the page is drawn, so that no page flashes in the wrong colours. The Django admin
// keeps the choice under the same name: "auto", "light" or "dark", written as JSON.
(() => {
  const KEY = "adminTheme";
  const root = document.documentElement;

  function chosen() {
    try {
      const theme = JSON.parse(localStorage.getItem(KEY));
      return theme === "light" || theme === "dark" ? theme : "auto";
    } catch {
      return "auto";
    }
  }

  function apply(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.title = `Theme: ${theme === "auto" ? "as the system" : theme}`;
      button.setAttribute("aria-label", button.title);
    }
  }

  const NEXT = { auto: "light", light: "dark", dark: "auto" };
  apply(chosen());
  addEventListener("DOMContentLoaded", () => apply(chosen()));
  addEventListener("storage", () => apply(chosen()));
  addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const theme = NEXT[chosen()];
    try {
      localStorage.setItem(KEY, JSON.stringify(theme));
    } catch {
      // A browser that keeps nothing still shows this page as asked.
    }
    apply(theme);
    // The admin's own script listens to this.
    dispatchEvent(new CustomEvent("agnes-theme", { detail: theme }));
  });
})();
