// What is looked at, kept in the address, so that a view can be sent and found again.
//
// Axes, metrics and pictures by their names: a sweep that grows moves their places.

/** Name in the address -> how it is read from the page, and set from a text. */
const looks = new Map();
let usual = new Map();
let writing = null;

function keepLook(name, get, set) {
  looks.set(name, { get, set });
}

const readLooks = () => new Map([...looks].map(([name, { get }]) => [name, get()]));

/** Soon, as browsers take few of these a second. */
function writeAddress() {
  clearTimeout(writing);
  writing = setTimeout(writeAddressNow, 200);
}

/** What is otherwise than at first. */
function writeAddressNow() {
  const text = new URLSearchParams([...changedLooks()]).toString();
  if (text === location.hash.slice(1)) return;
  // Not a step to go back to: that would be one for each picture looked at.
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

/** What is looked at otherwise than at first. */
function changedLooks() {
  return new Map([...readLooks()].filter(([name, value]) => value !== usual.get(name)));
}

/** Take what an address says; what it does not name, or names wrongly, is as at first. */
function takeLooks(said) {
  for (const [name, { set }] of looks) set(said.get(name) ?? usual.get(name));
}

const takeAddress = () => takeLooks(new URLSearchParams(location.hash.slice(1)));

const placeNamed = (list, name) => {
  const found = list.findIndex((own) => own.name === name);
  return found < 0 ? null : found;
};
const axisNamed = (name) => placeNamed(report.axes, name);
const axisName = (axis) => (axis === null ? "" : report.axes[axis].name);
const metricNamed = (name) => {
  const found = report.metrics.findIndex(([own]) => own === name);
  return found < 0 ? null : found;
};
/** "" where nothing is measured, or nothing yet. */
const metricKey = (metric) => report.metrics[metric]?.[0] ?? "";

function imageKey(image) {
  if (image === null) return "";
  const { cell, file } = report.images[image];
  return `${report.cells[cell].folder}/${file}`;
}

function imageNamed(key) {
  const found = report.images.findIndex((_, image) => imageKey(image) === key);
  return found < 0 ? null : found;
}

function keepLooks() {
  looks.clear();
  keepLook("rows", () => axisName(grid.rows), (name) => {
    grid.rows = axisNamed(name);
  });
  keepLook("columns", () => axisName(grid.columns), (name) => {
    const axis = axisNamed(name);
    grid.columns = axis === grid.rows ? null : axis;
  });
  report.axes.forEach((axis, place) => {
    keepLook(
      `only.${axis.name}`,
      () => (grid.only[place] === null ? "" : axis.values[grid.only[place]]),
      (value) => {
        const at = axis.values.indexOf(value);
        grid.only[place] = at < 0 ? null : at;
      },
    );
  });
  keepLook("below", () => metricKey(grid.score), (name) => {
    grid.score = metricNamed(name);
  });
  keepLook("size", () => String(grid.side), (text) => {
    const side = Number(text);
    if (side >= 48 && side <= 256) grid.side = side;
  });
  keepLook("filter", () => table.words.join(" "), (text) => {
    table.words = wordsOf(text);
    // Not while it says the same: somebody may be typing there.
    if (table.words.join(" ") !== wordsOf(byId("filter").value).join(" "))
      byId("filter").value = table.words.join(" ");
  });
  keepLook("sort", () => `${table.down ? "-" : ""}${cellColumns[table.by].name}`, (text) => {
    table.down = text.startsWith("-");
    table.by = placeNamed(cellColumns, table.down ? text.slice(1) : text) ?? 0;
  });
  keepLook("quality", () => metricKey(plots.quality), (name) => {
    const metric = metricNamed(name);
    if (metric !== null && measured.includes(metric)) plots.quality = metric;
  });
  keepLook("colour", () => (plots.colour === null ? "" : report.swept[plots.colour].name), (name) => {
    plots.colour = placeNamed(report.swept, name);
  });
  keepLook("along", () => axisName(plots.along), (name) => {
    const axis = axisNamed(name);
    if (axis !== null && report.axes[axis].numbers.length) plots.along = axis;
  });
  keepLook("number", () => metricKey(plots.value), (name) => {
    plots.value = metricNamed(name) ?? plots.value;
  });
  keepLook("line", () => axisName(plots.line), (name) => {
    const axis = axisNamed(name);
    plots.line = axis === plots.along ? null : axis;
  });
  keepLook("picture", () => imageKey(viewer.image), (key) => {
    viewer.image = imageNamed(key);
  });
  keepLook("with", () => imageKey(viewer.other), (key) => {
    viewer.other = viewer.image === null ? null : imageNamed(key);
  });
  keepLook("mode", () => pair.mode, (mode) => {
    const radio = [...document.querySelectorAll("input[name=mode]")].find((r) => r.value === mode);
    if (!radio) return;
    radio.checked = true;
    pair.mode = mode;
  });
}

/** After the page has its usual look, and before it is drawn. */
function startAddress() {
  keepLooks();
  usual = readLooks();
  takeAddress();
  window.addEventListener("hashchange", () => {
    if (document.getElementById(location.hash.slice(1)) !== null) {
      writeAddress(); // it was a link within the page
      return;
    }
    takeAddress();
    redrawGrid();
    drawCells();
    drawPlots();
    showNamedPicture();
  });
}

function showNamedPicture() {
  if (viewer.image !== null) openViewer(viewer.image, viewer.other);
  else if (byId("viewer").open) byId("viewer").close();
}
