// The grid: which axis is rows, which columns, what is left out.

const grid = startingGrid();

function axisOf(kind) {
  const found = report.axes.findIndex((axis) => axis.kind === kind);
  return found < 0 ? null : found;
}

function several(axis) {
  return axis !== null && report.axes[axis].values.length > 1;
}

/** Cells by prompts, as long as there are several of each. Axes are told by their positions. */
function startingGrid() {
  const [prompt, seed, cell] = ["prompt", "seed", "cell"].map(axisOf);
  const swept = report.axes.map((_, axis) => axis).filter((a) => report.axes[a].kind === "swept");
  const ways = swept.filter(several);
  const rows = ways.length === 1 ? ways[0] : several(cell) ? cell : several(prompt) ? prompt : null;
  const columns = rows !== prompt && several(prompt) ? prompt : several(seed) ? seed : null;
  const many = report.images.length > 60 || window.innerWidth < 700;
  return {
    rows,
    columns,
    only: report.axes.map(() => null),
    score: null,
    side: many ? 88 : 128,
    order: [],
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

function drawGrid() {
  const box = byId("grid");
  const images = shownImages();
  const rows = grid.rows === null ? [undefined] : places(images, grid.rows);
  const columns = grid.columns === null ? [undefined] : places(images, grid.columns);
  const inPlace = new Map();
  for (const image of images) {
    const at = report.images[image].at;
    const key = `${grid.rows === null ? undefined : at[grid.rows]} ${grid.columns === null ? undefined : at[grid.columns]}`;
    inPlace.set(key, [...(inPlace.get(key) ?? []), image]);
  }
  const captions = captionAxes(images);
  grid.order = [];
  const body = rows.map((row) => {
    const cells = columns.map((column) => {
      const here = inPlace.get(`${row} ${column}`) ?? [];
      grid.order.push(...here);
      return make("td", {}, make("div", { class: "place" }, ...here.map((i) => tile(i, captions))));
    });
    return make("tr", {}, row === undefined ? null : heading("row", grid.rows, row), ...cells);
  });
  const corner = grid.rows === null ? null : make("td");
  const headings = () => columns.map((column) => heading("col", grid.columns, column));
  const made = make(
    "table",
    {},
    make("caption", { class: "unseen" }, "Pictures by what they were made with"),
    grid.columns === null ? null : make("thead", {}, make("tr", {}, corner, ...headings())),
    make("tbody", {}, ...body),
  );
  box.replaceChildren(
    images.length ? made : make("p", { class: "empty" }, "No picture has all of these."),
  );
  const all = report.images.length;
  byId("grid-count").textContent =
    images.length === all
      ? counted(all, "picture")
      : `${images.length} of ${counted(all, "picture")}`;
  fitGrid();
  markChosen();
}

/** How many pictures of one place stand beside each other: as many as fit, in even lines. */
function fitGrid() {
  const box = byId("grid");
  const groups = [...box.querySelectorAll(".place")].map((place) => place.childElementCount);
  const most = Math.max(1, ...groups);
  const columns = box.querySelector("tbody tr")?.querySelectorAll("td").length ?? 1;
  const labels = grid.rows === null ? 0 : 180;
  const fit = Math.floor(((box.clientWidth - labels) / columns - 16) / (grid.side + 8));
  const beside = Math.min(most, Math.max(2, fit));
  box.style.setProperty("--side", `${grid.side}px`);
  box.style.setProperty("--beside", Math.ceil(most / Math.ceil(most / beside)));
}

/** What has to be said below pictures that share a place: axes that differ and are told nowhere. */
function captionAxes(images) {
  const cell = axisOf("cell");
  const byCell = cell !== null && (grid.rows === cell || grid.columns === cell);
  return report.axes
    .map((_, axis) => axis)
    .filter((axis) => axis !== grid.rows && axis !== grid.columns && axis !== cell)
    .filter((axis) => !(byCell && report.axes[axis].kind === "swept"))
    .filter((axis) => places(images, axis).length > 1);
}

function heading(scope, axis, place) {
  const made = make("th", { scope: scope, dir: "auto" });
  if (report.axes[axis].kind === "cell" && place !== null) {
    const cell = report.cells[place];
    made.append(make("strong", {}, `Cell ${cell.number}`), ...choiceLines(cell));
  } else {
    made.append(
      make(
        "span",
        { class: "clamp", title: placeName(report.axes[axis], place) },
        placeName(report.axes[axis], place),
      ),
    );
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
      : // The address last: until it is known that this one may wait, it would be loaded at once.
        make("img", { loading: "lazy", decoding: "async", alt: name, width, height, src: thumb }),
    ...lines.map((line) => make("span", { class: "caption", dir: "auto" }, line)),
  );
  made.addEventListener("click", (event) => {
    if (event.shiftKey) choose(image);
    else openViewer(image);
  });
  return made;
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
