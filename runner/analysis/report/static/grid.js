// The grid: which axis is rows, which columns, what is left out.

/** By their addresses: a picture that news shows again is not loaded again. */
const thumbs = new Map();

/** A block is as many rows as have about this many pictures: some screens hold that many. */
const TILES_OF_A_BLOCK = 60;

const grid = startingGrid();

function axisOf(kind) {
  const found = report.axes.findIndex((axis) => axis.kind === kind);
  return found < 0 ? null : found;
}

function several(axis) {
  return axis !== null && report.axes[axis].values.length > 1;
}

/** Whether cells differ in this axis of pictures, so that what names a cell says it. */
function namesCells(axis) {
  const { values } = report.axes[axis];
  return report.swept.some((swept, n) =>
    report.images.every(({ cell, at }) => {
      const chosen = report.cells[cell].choice[n];
      return chosen !== null && swept.values[chosen] === values[at[axis]];
    }),
  );
}

/**
 * Cells by prompts, as long as there are several of each, and cells are more than prompts and
 * seeds. Axes are told by their positions.
 */
function startingGrid() {
  const [prompt, seed, cell] = ["prompt", "seed", "cell"].map(axisOf);
  const swept = report.axes.map((_, axis) => axis).filter((a) => report.axes[a].kind === "swept");
  const ways = swept.filter(several);
  const more = ways.length > 0 || ![prompt, seed].some((a) => several(a) && namesCells(a));
  const one = several(prompt) ? prompt : null;
  const rows = ways.length === 1 ? ways[0] : several(cell) && more ? cell : one;
  const columns = rows !== prompt && several(prompt) ? prompt : several(seed) ? seed : null;
  const many = report.images.length > 60 || window.innerWidth < 700;
  return {
    rows,
    columns,
    only: report.axes.map(() => null),
    score: null,
    side: many ? 88 : 128,
    order: [],
    blocks: [],
  };
}

function shownImages() {
  return report.images
    .map((_, image) => image)
    .filter((image) =>
      grid.only.every((place, axis) => place === null || report.images[image].at[axis] === place),
    );
}

/** Places of an axis that some of these pictures have, in the axis's order; none of it last. */
function places(images, axis) {
  const found = new Set(images.map((image) => report.images[image].at[axis]));
  return [...found].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
}

function drawGridPickers() {
  const choices = report.axes.map((axis, place) => [String(place), axis.name]);
  const layouts = [["", "nothing"], ...choices.filter(([axis]) => several(Number(axis)))];
  const [made, only] = [[], []];
  for (const side of ["rows", "columns"]) {
    made.push(
      picker(side === "rows" ? "Rows" : "Columns", layouts, String(grid[side] ?? ""), (value) => {
        const other = side === "rows" ? "columns" : "rows";
        const before = grid[side];
        grid[side] = value === "" ? null : Number(value);
        if (grid[side] !== null && grid[side] === grid[other]) grid[other] = before;
        redrawGrid();
      }),
    );
  }
  report.axes.forEach((axis, place) => {
    if (!several(place)) return;
    const values = axis.values.map((value, at) => [
      String(at),
      axis.kind === "cell" ? cellName(report.cells[at]) : value,
    ]);
    const chosen = String(grid.only[place] ?? "");
    only.push(
      picker(axis.name, [["", "all"], ...values], chosen, (value) => {
        grid.only[place] = value === "" ? null : Number(value);
        redrawGrid();
      }),
    );
  });
  if (report.metrics.length) {
    const metrics = report.metrics
      .map((_, metric) => [String(metric), metricName(metric)])
      .filter(([metric]) => report.images.some(({ scores }) => scores[metric] !== null));
    made.push(
      picker("Below", [["", "no number"], ...metrics], String(grid.score ?? ""), (value) => {
        grid.score = value === "" ? null : Number(value);
        drawGrid();
      }),
    );
  }
  made.push(sizePicker());
  if (grid.only.some((place) => place !== null)) {
    only.push(
      button("Show all", () => {
        grid.only.fill(null);
        redrawGrid();
        byId("grid-only").querySelector("select").focus();
      }),
    );
  }
  byId("grid-layout").replaceChildren(...made);
  byId("grid-only").replaceChildren(...only);
  byId("grid-only").hidden = only.length === 0;
}

function sizePicker() {
  const range = make("input", { type: "range", min: 48, max: 256, step: 8, value: grid.side });
  range.addEventListener("input", () => {
    grid.side = Number(range.value);
    fitGrid();
    writeAddress();
  });
  return make("label", { class: "picker" }, make("span", {}, "Size"), range);
}

/** After a change of layout: the pickers are made anew, so the one in hand is found again. */
function redrawGrid() {
  const selects = () => [...byId("grid-pickers").querySelectorAll("select")];
  const inHand = selects().indexOf(document.activeElement);
  drawGridPickers();
  if (inHand >= 0) selects()[inHand]?.focus();
  drawGrid();
}

/** The table of pictures, in blocks of rows that the browser lays out when they come near. */
function drawGrid() {
  const box = byId("grid");
  const images = shownImages();
  const rows = grid.rows === null ? [undefined] : places(images, grid.rows);
  const columns = grid.columns === null ? [undefined] : places(images, grid.columns);
  const placeOf = (row, column) => `${row} ${column}`;
  const inPlace = new Map(rows.flatMap((r) => columns.map((c) => [placeOf(r, c), []])));
  for (const image of images) {
    const at = report.images[image].at;
    const [row, column] = [grid.rows, grid.columns].map((axis) =>
      axis === null ? undefined : at[axis],
    );
    inPlace.get(placeOf(row, column)).push(image);
  }
  const captions = captionAxes(images);
  grid.order = [];
  grid.blocks = [];
  const most = Math.max(1, Math.floor(TILES_OF_A_BLOCK / Math.max(1, images.length / rows.length)));
  for (let first = 0; first < rows.length; first += most) {
    const body = make("tbody", { role: "rowgroup" });
    const counts = rows.slice(first, first + most).map((row) => {
      const here = columns.map((column) => inPlace.get(placeOf(row, column)));
      grid.order.push(...here.flat());
      body.append(gridRow(row, here, captions));
      return Math.max(...here.map(({ length }) => length));
    });
    grid.blocks.push({ body, counts });
  }
  grid.most = Math.max(1, ...grid.blocks.flatMap(({ counts }) => counts));
  grid.lines = captions.length + (grid.score === null ? 0 : 1);
  const made = make(
    "table",
    { role: "table" },
    make("caption", { class: "unseen" }, "Pictures by what they were made with"),
    grid.columns === null ? null : gridHead(columns),
    ...grid.blocks.map(({ body }) => body),
  );
  box.replaceChildren(
    images.length ? made : make("p", { class: "empty" }, "No picture has all of these."),
  );
  box.style.setProperty("--columns", columns.length);
  box.classList.toggle("headed", grid.rows !== null);
  box.classList.toggle("texts", grid.columns !== null && longNames(grid.columns, columns));
  const all = report.images.length;
  byId("grid-count").textContent =
    images.length === all
      ? counted(all, "picture")
      : `${images.length} of ${counted(all, "picture")}`;
  fitGrid();
  markChosen();
  writeAddress();
}

/** Rows are boxes of their own, so what each element is in the table has to be said. */
function gridRow(row, places, captions) {
  const cells = places.map((images) => {
    const tiles = images.map((image) => tile(image, captions));
    return make("td", { role: "cell" }, make("div", { class: "place" }, ...tiles));
  });
  return make(
    "tr",
    { role: "row" },
    row === undefined ? null : heading("row", grid.rows, row),
    ...cells,
  );
}

function gridHead(columns) {
  const corner = grid.rows === null ? null : make("td", { role: "cell" });
  const headings = columns.map((column) => heading("col", grid.columns, column));
  return make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, corner, ...headings));
}

const longNames = (axis, columns) =>
  report.axes[axis].kind === "cell" ||
  columns.some((place) => placeName(report.axes[axis], place).length > 14);

/** How many pictures of one place stand beside each other: as many as fit, in even lines. */
function fitGrid() {
  const box = byId("grid");
  const columns = Number(box.style.getPropertyValue("--columns"));
  const labels = grid.rows === null ? 0 : 180;
  const fit = Math.floor(((box.clientWidth - labels) / columns - 16) / (grid.side + 8));
  const most = Math.min(grid.most, Math.max(2, fit));
  const beside = Math.ceil(grid.most / Math.ceil(grid.most / most));
  box.style.setProperty("--side", `${grid.side}px`);
  box.style.setProperty("--beside", beside);
  // The height of what is not laid out yet, so that the scroll bar is right from the start.
  const heading = grid.rows === null ? 0 : 34 + 16 * cellLines(grid.rows);
  const line = grid.side + 8 + 17 * grid.lines;
  for (const { body, counts } of grid.blocks) {
    const heights = counts.map((count) => Math.max(heading, Math.ceil(count / beside) * line + 7));
    body.style.setProperty("--height", `${heights.reduce((sum, height) => sum + height, 0)}px`);
  }
}

const cellLines = (axis) => (report.axes[axis].kind === "cell" ? report.swept.length : 0);

/** What has to be said below pictures that share a place: axes that differ and are told nowhere. */
function captionAxes(images) {
  const cell = axisOf("cell");
  const byCell = cell !== null && (grid.rows === cell || grid.columns === cell);
  return report.axes
    .map((_, axis) => axis)
    .filter((axis) => axis !== grid.rows && axis !== grid.columns && axis !== cell)
    .filter((axis) => !(byCell && (report.axes[axis].kind === "swept" || namesCells(axis))))
    .filter((axis) => places(images, axis).length > 1);
}

function heading(scope, axis, place) {
  const role = scope === "row" ? "rowheader" : "columnheader";
  const made = make("th", { scope, role, dir: "auto" });
  if (report.axes[axis].kind === "cell" && place !== null) {
    const cell = report.cells[place];
    made.append(make("strong", {}, `Cell ${cell.number}`), ...choiceLines(cell));
  } else {
    const name = placeName(report.axes[axis], place);
    const parts = report.axes[axis].kind === "swept" ? breakable(name) : [name];
    made.append(make("span", { class: "clamp", title: name }, ...parts));
  }
  return made;
}

/** A cell's choice, a line an axis, the axis's name without the group that it is in. */
function choiceLines(cell) {
  return report.swept.map((axis, n) =>
    make(
      "span",
      { class: "choice", title: axis.name },
      ...breakable(axis.name.split(".").at(-1)),
      " ",
      make("b", {}, cell.choice[n] === null ? NONE : axis.values[cell.choice[n]]),
    ),
  );
}

function tile(image, captions) {
  const { at, width, height, scores } = report.images[image];
  const thumb = thumbOf(image);
  const name = imageName(image);
  const said = captions.map((axis) => placeName(report.axes[axis], at[axis])).join(" · ");
  const lines = [said, grid.score === null ? "" : number(scores[grid.score])].filter(Boolean);
  const made = make(
    "button",
    { type: "button", class: "tile", "data-image": image, title: name, "aria-haspopup": "dialog" },
    thumb === null
      ? make(
          "span",
          { class: "missing", role: "img", "aria-label": `${name}: its file cannot be read` },
          "no file",
        )
      : thumbImage(thumb, name, width, height),
    ...lines.map((line) => make("span", { class: "caption", dir: "auto" }, line)),
  );
  made.addEventListener("click", (event) => {
    if (event.shiftKey) choose(image);
    else openViewer(image);
  });
  return made;
}

function thumbImage(src, alt, width, height) {
  // The address last: until it is known that this one may wait, it would be loaded at once.
  const made = { loading: "lazy", decoding: "async", alt, width, height, src };
  // On a page of one file pictures of the same pixels have the same address.
  if (!report.live) return make("img", made);
  if (!thumbs.has(src)) thumbs.set(src, make("img", made));
  const found = thumbs.get(src);
  found.alt = alt; // a sweep that grows names its cells anew
  return found;
}

const tileOf = (image) => byId("grid").querySelector(`[data-image="${image}"]`);

/** Show the pictures of one cell alone, and go there. */
function showCell(cell) {
  const axis = axisOf("cell");
  if (axis !== null) {
    grid.only.fill(null);
    grid.only[axis] = cell;
    redrawGrid();
  }
  byId("pictures").scrollIntoView({ block: "start" });
  byId("grid").focus({ preventScroll: true });
}
