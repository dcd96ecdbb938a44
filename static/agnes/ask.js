// Ctrl+Enter sends the form a text field stands in, by the button it names.
addEventListener("keydown", (event) => {
  const field = event.target.closest?.("[data-send-with]");
  if (!field || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  const button = field.form.querySelector(`button[value="${field.dataset.sendWith}"]:enabled`);
  if (button) field.form.requestSubmit(button);
});

// An answer takes seconds: say so, and take no second press meanwhile.
addEventListener("submit", (event) => {
  const form = event.target.closest?.("form[data-ask]");
  if (!form) return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  form.setAttribute("aria-busy", "true");
  const label = event.submitter?.querySelector("[data-label]");
  if (label) label.textContent = "Working…";
});

// Coming back by the browser's history shows the form as it was left.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-ask]")) form.removeAttribute("aria-busy");
});
