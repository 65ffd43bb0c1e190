// One picture at its full size with its record; the dialog is the browser's own.

const viewer = { image: null, other: null };

function openViewer(image, other = null) {
  viewer.image = image;
  viewer.other = other;
  showViewed();
  if (!byId("viewer").open) byId("viewer").showModal();
}

/** The next picture in the grid's order, round and round; in a comparison it changes B. */
function turn(by) {
  const comparing = viewer.other !== null;
  const order = grid.order.includes(viewer.image) ? grid.order : report.images.map((_, i) => i);
  const now = order.indexOf(comparing ? viewer.other : viewer.image);
  let next = order[(now + by + order.length) % order.length];
  // A picture is not compared with itself.
  if (comparing && next === viewer.image)
    next = order[(now + 2 * by + 2 * order.length) % order.length];
  if (comparing) viewer.other = next;
  else viewer.image = next;
  showViewed();
}

/** Which of how many is shown. */
function tellPosition() {
  const last = viewer.other ?? viewer.image;
  const order = grid.order.includes(last) ? grid.order : report.images.map((_, i) => i);
  byId("viewer-position").textContent =
    `${viewer.other === null ? "" : "B: "}${order.indexOf(last) + 1} of ${order.length}`;
}

function showViewed() {
  const { image, other } = viewer;
  const comparing = other !== null;
  byId("viewer").classList.toggle("comparing", comparing);
  byId("viewer-title").textContent = comparing ? "Two pictures" : imageName(image);
  tellPosition();
  byId("viewer-compare").setAttribute("aria-pressed", String(comparing));
  byId("viewer-compare").hidden = report.images.length < 2;
  byId("modes").hidden = !comparing;
  byId("stage").replaceChildren(...(comparing ? compared(image, other) : [figure(image)]));
  byId("record").replaceChildren(...(comparing ? [recordOfTwo(image, other)] : recordOf(image)));
  byId("record").scrollTop = 0;
  writeAddress();
}

/** A picture of its own shape, as large as its place allows; small ones by whole pixels. */
function fullImage(image, attributes = {}) {
  const { width, height } = report.images[image];
  const source = fullOf(image);
  if (source === null) return make("p", { class: "missing" }, "Its file cannot be read.");
  const small = Math.max(width, height) <= 384;
  return make("img", {
    src: source,
    alt: imageName(image),
    width,
    height,
    class: small ? "pixels" : null,
    draggable: "false",
    ...attributes,
  });
}

function figure(image, name = null) {
  return make(
    "figure",
    {},
    fullImage(image),
    name === null
      ? null
      : make("figcaption", { dir: "auto" }, make("strong", {}, name), ` ${imageName(image)}`),
  );
}

function recordOf(image) {
  const facts = report.images[image];
  const cell = report.cells[facts.cell];
  const sections = [pairsTable(basics(image)), make("h3", {}, "Again"), againOf(image)];
  if (facts.inputs.length) sections.push(make("h3", {}, "Made from"), madeFrom(facts));
  if (facts.scores.some((score) => score !== null)) {
    sections.push(make("h3", {}, "Numbers"), pairsTable(scorePairs(image)));
  }
  if (facts.took.length) sections.push(make("h3", {}, "Seconds by stage"), pairsTable(facts.took));
  sections.push(make("h3", {}, "Keys of stages"), pairsTable(facts.stage_keys));
  sections.push(make("h3", {}, "Overrides"));
  sections.push(
    make(
      "ul",
      { class: "overrides" },
      ...cell.overrides.map((one) => make("li", { dir: "auto" }, one)),
    ),
  );
  sections.push(configOf(cell));
  return sections;
}

/** The command that makes it once more; keys behind it change what they say. */
function againOf(image) {
  const { cell, file } = report.images[image];
  const path = shellQuoted(`${report.cells[cell].path}/${file}`);
  const code = make("code", { tabindex: "0" }, `kandinsky again ${path}`);
  const copy = button("Copy", () => copyText(code, copy));
  return make("div", { class: "command" }, code, copy);
}

/** A word of a POSIX shell. */
const shellQuoted = (text) =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;

/** The pictures that were given, as the model saw them, or that were made of those. */
function madeFrom({ inputs }) {
  const shown = inputs.map(([name, input]) => {
    const thumb = inputThumbOf(input);
    const picture =
      thumb === null
        ? make("span", { class: "missing" }, "Its file cannot be read.")
        : make(
            "a",
            { href: inputFullOf(input), download: report.inputs[input] },
            make("img", { src: thumb, alt: `${name} that it was made from` }),
          );
    return make("figure", {}, picture, make("figcaption", { dir: "auto" }, name));
  });
  return make("div", { class: "inputs" }, ...shown);
}

function basics(image) {
  const facts = report.images[image];
  const cell = report.cells[facts.cell];
  const file = fullOf(image);
  const link =
    file === null ? facts.file : make("a", { href: file, download: facts.file }, facts.file);
  return [
    ["prompt", facts.prompt || NONE],
    ...(facts.negative_prompt ? [["negative prompt", facts.negative_prompt]] : []),
    ["seed", String(facts.seed)],
    ...(report.cells.length > 1 ? [["cell", cellName(cell)]] : []),
    ["size", `${facts.width} × ${facts.height} px`],
    ["SHA-256 of pixels", facts.sha256],
    ["stored result", facts.reused ? "taken" : "none, it was made"],
    ...(cell.mlflow_run ? [["MLflow run", cell.mlflow_run]] : []),
    ["file", link],
  ];
}

function scorePairs(image) {
  return report.metrics
    .map((_, metric) => [
      `${metricName(metric)} ${better(metric)}`,
      report.images[image].scores[metric],
    ])
    .filter(([, score]) => score !== null)
    .map(([name, score]) => [name, number(score, decimals([score]) + 1)]);
}

/** The whole config; marked is what this cell has otherwise than the first one. */
function configOf(cell) {
  const own = new Map(cell.changes);
  const pairs = report.config.map(([key, value]) => [key, own.get(key) ?? value]);
  const known = new Set(report.config.map(([key]) => key));
  const more = cell.changes.filter(([key]) => !known.has(key));
  return make(
    "details",
    {},
    make("summary", {}, "Config"),
    pairsTable([...pairs, ...more], (key) => own.has(key)),
  );
}

function startViewer() {
  const dialog = byId("viewer");
  byId("viewer-before").addEventListener("click", () => turn(-1));
  byId("viewer-after").addEventListener("click", () => turn(1));
  byId("viewer-close").addEventListener("click", () => dialog.close());
  byId("viewer-compare").addEventListener("click", () => {
    if (viewer.other === null) openViewer(viewer.image, counterpart(viewer.image));
    else openViewer(viewer.image);
  });
  dialog.addEventListener("keydown", (event) => {
    // Sliders and radio buttons have the arrow keys for themselves.
    if (event.target.tagName === "INPUT" || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    turn(event.key === "ArrowLeft" ? -1 : 1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });
  // The browser gives the focus back to the tile that opened it; the one looked at last is nearer.
  dialog.addEventListener("close", () => {
    byId("stage").replaceChildren();
    tileOf(viewer.image)?.focus();
    [viewer.image, viewer.other] = [null, null];
    writeAddress();
  });
}
