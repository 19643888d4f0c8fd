// Tables sort by a click on a column's name, show the rows that hold a word, and all columns on demand.
"use strict";
const blank = (cell) => cell.dataset.sort === "";
const order = new Intl.Collator("en", { numeric: true }).compare;

function compare(a, b) {
  const [x, y] = [Number(a.dataset.sort.replace(/inf$/, "Infinity")), Number(b.dataset.sort.replace(/inf$/, "Infinity"))];
  return Number.isNaN(x) || Number.isNaN(y) ? order(a.dataset.sort, b.dataset.sort) : x - y;
}

function sort(button) {
  const head = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending", place = head.cellIndex;
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [a.cells[place], b.cells[place]];
    if (blank(x) || blank(y)) return blank(x) - blank(y); // what has no value stays at the end
    return up ? compare(x, y) : compare(y, x);
  });
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows);
}

function filter(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.getElementById(input.dataset.of).tBodies[0].rows];
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  const shown = rows.filter((row) => !row.hidden).length;
  input.closest("form").querySelector("output").textContent = `${shown} of ${rows.length} rows`;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  if (button) sort(button);
});
document.addEventListener("input", (event) => {
  if (event.target.matches("input[type=search]")) filter(event.target);
});
document.addEventListener("change", (event) => {
  if (!event.target.matches("input[type=checkbox]")) return;
  document.getElementById(event.target.dataset.of).classList.toggle("brief", !event.target.checked);
});
document.addEventListener("submit", (event) => event.preventDefault());
document.addEventListener(
  "play", // one sound at a time
  (event) => document.querySelectorAll("audio").forEach((other) => other === event.target || other.pause()),
  true,
);
