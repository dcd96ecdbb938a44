// What pages do beside following links; every page works without it.

// <button data-copy="text"> or <button data-copy-from="#id">
addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && document.querySelector(button.dataset.copyFrom);
  try {
    await navigator.clipboard.writeText(source ? source.textContent : button.dataset.copy);
    say(button, "Copied");
  } catch {
    say(button, "Select and copy it by hand");
  }
});

function say(button, words) {
  const label = button.querySelector("[data-label]") ?? button;
  const before = label.dataset.before ?? label.textContent;
  label.dataset.before = before;
  label.textContent = words;
  button.setAttribute("aria-live", "polite");
  setTimeout(() => (label.textContent = before), 1600);
}

// "/" goes to the search of the page.
addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select?.();
});

// A form marked data-submit-on-change needs no press of its button.
addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-submit-on-change]");
  if (form && !event.target.matches("[type=date], [type=search]")) form.requestSubmit();
});

// Empty fields of a form marked data-tidy stay out of the address.
addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-tidy]")) return;
  const fields = [...event.target.elements];
  const dated = fields.some((field) => field.type === "date" && field.value);
  for (const field of fields) {
    const superseded = dated && "unlessDates" in field.dataset;
    if (field.name && (!field.value || superseded)) field.disabled = true;
  }
});
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form[data-tidy] :disabled")) field.disabled = false;
});

// <table data-sortable>: a press on a column's name sorts the rows that are there.
function makeSortable(table) {
  table.dataset.sortable = "ready";
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const now = head.getAttribute("aria-sort");
      const down = now ? now === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      const key = (row) => row.cells[column]?.dataset.value ?? row.cells[column]?.textContent.trim();
      rows.sort((a, b) => compare(key(a), key(b), numeric) * (down ? -1 : 1));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(a, b, numeric) {
  if (!numeric) return a.localeCompare(b);
  const value = (text) => (text === "" || Number.isNaN(Number(text)) ? -Infinity : Number(text));
  return value(a) - value(b);
}

function start(root) {
  for (const table of root.querySelectorAll('table[data-sortable=""]')) makeSortable(table);
}
start(document);
document.addEventListener("htmx:load", (event) => start(event.target));
