// Elements, numbers and words. What comes from data is put into the page as text, never as HTML.

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/// Four digits, as people write them; "–" for what is not known. Words stay as they are.
function number(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  // Of −0 too.
  if (value === 0) return "0";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  return size >= 1e6 || size < 1e-4 ? value.toExponential(3).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(4)));
}

function bytes(value) {
  if (typeof value !== "number") return number(value);
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < units.length - 1) { value /= 1000; unit += 1; }
  return number(unit ? Number(value.toPrecision(3)) : value) + " " + units[unit];
}

const percent = (value) => (typeof value === "number" ? number(Number((100 * value).toPrecision(4))) + " %" : number(value));

/// "0.712 (0.689 to 0.734)"
const interval = (share) => share ? `${share.share.toFixed(3)} (${share.low.toFixed(3)} to ${share.high.toFixed(3)})` : "–";

/// A name of a file as words: "grad_norm" is "grad norm".
const words = (name) => name.replaceAll("_", " ");

const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/// A table that can be scrolled, also with the keyboard.
/// - columns: titles, or [title, "number"] for those aligned to the right
/// - rows: lists of texts or nodes; the first heads its row
function table(caption, columns, rows) {
  const isNumber = columns.map((column) => Array.isArray(column));
  const kind = (index) => (isNumber[index] ? "number" : null);
  const head = columns.map((column, index) =>
    element("th", { scope: "col", class: kind(index) }, isNumber[index] ? column[0] : column));
  const body = rows.map((row) => element("tr", {}, row.map((cell, index) => index === 0
    ? element("th", { scope: "row", class: kind(index) }, cell)
    : element("td", { class: kind(index) }, cell))));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, head)), element("tbody", {}, body)));
}

/// What is made when it is opened first.
/// - name: for who hears the title without what stands around it
function details(title, make, { isOpen, name } = {}) {
  const node = element("details", {}, element("summary", { "aria-label": name }, title));
  let isMade = false;
  const fill = () => {
    if (!node.open || isMade) return;
    isMade = true;
    node.append(...[make()].flat());
    drawCharts();
  };
  node.addEventListener("toggle", fill);
  if (isOpen) { node.open = true; fill(); }
  return node;
}

/// Opens everything, also what is made by opening.
function openAll() {
  for (;;) {
    const closed = document.querySelectorAll("main details:not([open])");
    if (!closed.length) return;
    for (const node of closed) { node.open = true; node.dispatchEvent(new Event("toggle")); }
  }
}
