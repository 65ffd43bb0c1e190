// Elements, numbers and words. What users wrote only ever becomes text, or an attribute's value.

let report = window.kandinskyReport;
const SVG = "http://www.w3.org/2000/svg";
const NONE = "–";

const byId = (id) => document.getElementById(id);

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function button(text, action, attributes = {}) {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", action);
  return made;
}

/** A labelled select. `options`: pairs of value and text; `change` is told the chosen value. */
function picker(label, options, chosen, change) {
  const select = make("select");
  for (const [value, text] of options) {
    select.append(make("option", { value }, shortened(text, 60)));
  }
  select.value = chosen;
  select.addEventListener("change", () => change(select.value));
  return make("label", { class: "picker" }, make("span", {}, label), select);
}

function shortened(text, most) {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("")}…`;
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** How many decimals show four digits of the largest of these numbers. */
function decimals(values) {
  const largest = Math.max(...values.filter((value) => value !== null).map(Math.abs), 0);
  if (largest === 0) return 0;
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(largest))));
}

function number(value, digits = decimals([value])) {
  if (value === null) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(2);
  return value.toFixed(digits).replace("-", "−");
}

function duration(seconds) {
  if (seconds < 120) return `${number(seconds, seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A dotted key that breaks behind its dots, underscores and =, and within a word only if it must. */
function breakable(key) {
  return key.split(/(?<=[._=])/).flatMap((part, n) => (n ? [make("wbr"), part] : [part]));
}

/** A table of two columns. `marked`: tells keys that are to stand out. */
function pairsTable(pairs, marked = () => false) {
  const rows = pairs.map(([key, value]) =>
    make(
      "tr",
      { class: marked(key) ? "marked" : null },
      make("th", { scope: "row" }, ...breakable(key)),
      make("td", { dir: "auto" }, value),
    ),
  );
  return make("table", { class: "pairs" }, make("tbody", {}, ...rows));
}

const better = (metric) => ({ higher: "↑", lower: "↓" })[report.metrics[metric][1]] ?? "";
const metricName = (metric) =>
  report.metrics[metric][0] === "seconds" ? "seconds per image" : report.metrics[metric][0];

/** What a place on an axis is called, in one text. */
function placeName(axis, place) {
  if (place === null) return NONE;
  const value = axis.values[place];
  if (axis.kind === "prompt") return value;
  if (axis.kind === "seed") return `seed ${value}`;
  if (axis.kind === "cell") return cellName(report.cells[place]);
  return `${axis.name}=${value}`;
}

function cellName(cell) {
  if (report.cells.length === 1) return report.name;
  return cell.label ? `cell ${cell.number}: ${cell.label}` : `cell ${cell.number}`;
}

/** Sentences for screen readers and titles: all that tells a picture from the others. */
function imageName(image) {
  const { prompt, seed, cell } = report.images[image];
  const parts = [prompt || "no prompt", `seed ${seed}`];
  if (report.cells.length > 1) parts.push(cellName(report.cells[cell]));
  return parts.join(", ");
}

const thumbOf = (image) => report.pictures[image]?.[0] ?? null;
const fullOf = (image) => report.pictures[image]?.[1] ?? null;
/** What others were made from comes after them. */
const inputThumbOf = (input) => thumbOf(report.images.length + input);
const inputFullOf = (input) => fullOf(report.images.length + input);
