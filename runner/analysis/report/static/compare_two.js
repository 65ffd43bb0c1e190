// Two pictures: side by side, one below a border that can be moved, or their difference.
//
// A page of files may not read pixels of its pictures from a canvas, so the difference is left to
// the compositor: the blend mode gives |A - B|, and the filter multiplies it.

const pair = { mode: "side", chosen: [] };

/**
 * What a picture is best compared with: the same prompt and seed in the baseline's cell, else in
 * the next cell that has them, else the next picture.
 */
function counterpart(image) {
  const { cell, at } = report.images[image];
  const [prompt, seed] = [axisOf("prompt"), axisOf("seed")];
  const alike = (one) =>
    one.cell !== cell && one.at[prompt] === at[prompt] && one.at[seed] === at[seed];
  const all = report.images.map((_, other) => other).filter((other) => alike(report.images[other]));
  const inBaseline = all.find((other) => report.images[other].cell === report.cells[cell].against);
  const found = inBaseline ?? all.find((other) => report.images[other].cell > cell) ?? all[0];
  if (found !== undefined) return found;
  const order =
    grid.order.length > 1 && grid.order.includes(image)
      ? grid.order
      : report.images.map((_, i) => i);
  return order[(order.indexOf(image) + 1) % order.length];
}

function compared(a, b) {
  if (pair.mode === "side") return [figure(a, "A"), figure(b, "B")];
  const border =
    pair.mode === "swipe" ? make("div", { class: "border", "aria-hidden": "true" }) : null;
  const { width, height } = report.images[a];
  const stack = make(
    "div",
    { class: `stack ${pair.mode}`, id: "stack" },
    fullImage(a, { class: layerClass(a, "a") }),
    fullImage(b, { class: layerClass(b, "b") }),
    border,
  );
  stack.style.setProperty("--width", width);
  stack.style.setProperty("--height", height);
  if (border) stack.addEventListener("pointerdown", (event) => startSwipe(event, stack));
  return [stack, make("p", { class: "between", role: "status" }, sameness(a, b))];
}

function layerClass(image, name) {
  const { width, height } = report.images[image];
  return Math.max(width, height) <= 384 ? `${name} pixels` : name;
}

function sameness(a, b) {
  const [one, other] = [report.images[a], report.images[b]];
  if (one.sha256 === other.sha256) return "The same pixels.";
  if (one.width !== other.width || one.height !== other.height)
    return "Of different sizes: B is scaled to A.";
  return pair.mode === "difference"
    ? "Black is where both are the same."
    : "A is on the left, B on the right.";
}

function startSwipe(event, stack) {
  const follow = (moved) => {
    const box = stack.getBoundingClientRect();
    byId("cut").value = (100 * (moved.clientX - box.left)) / box.width;
    applyPair();
  };
  stack.setPointerCapture(event.pointerId);
  stack.addEventListener("pointermove", follow);
  const stop = () => stack.removeEventListener("pointermove", follow);
  stack.addEventListener("pointerup", stop, { once: true });
  stack.addEventListener("pointercancel", stop, { once: true });
  follow(event);
}

function applyPair() {
  byId("cut-label").hidden = pair.mode !== "swipe";
  byId("amplify-label").hidden = pair.mode !== "difference";
  const factor = 2 ** Number(byId("amplify").value);
  byId("amplified").textContent = `×${factor}`;
  byId("stage").style.setProperty("--cut", `${byId("cut").value}%`);
  byId("stage").style.setProperty("--amplify", factor);
}

/** Both records beside each other; marked is what differs. */
function recordOfTwo(a, b) {
  const [one, other] = [a, b].map(recordPairs);
  const keys = [...new Set([...one.keys(), ...other.keys()])];
  const rows = keys.map((key) => {
    const [left, right] = [one.get(key) ?? NONE, other.get(key) ?? NONE];
    return make(
      "tr",
      { class: left === right ? null : "marked" },
      make("th", { scope: "row" }, ...breakable(key)),
      make("td", { dir: "auto" }, left),
      make("td", { dir: "auto" }, right),
    );
  });
  const head = make(
    "tr",
    {},
    make("td"),
    make("th", { scope: "col" }, "A"),
    make("th", { scope: "col" }, "B"),
  );
  return make("table", { class: "pairs two" }, make("thead", {}, head), make("tbody", {}, ...rows));
}

/** Key -> text: what is known of a picture, and where its cell's config differs from another's. */
function recordPairs(image) {
  const facts = report.images[image];
  const cell = report.cells[facts.cell];
  const file = (value) => (typeof value === "string" ? value : facts.file);
  const keys = changing();
  return new Map([
    ...basics(image).map(([key, value]) => [key, file(value)]),
    ...scorePairs(image),
    ...facts.took.map(([stage, took]) => [`${stage}: seconds`, took]),
    ...facts.stage_keys.map(([stage, key]) => [`${stage}: key`, key]),
    ...report.config.filter(([key]) => keys.has(key)),
    ...cell.changes,
  ]);
}

/** Keys of the config that differ between some cells. */
const changing = () => new Set(report.cells.flatMap((cell) => cell.changes.map(([key]) => key)));

/** Shift-click: the first is kept until there is a second. */
function choose(image) {
  const at = pair.chosen.indexOf(image);
  if (at >= 0) pair.chosen.splice(at, 1);
  else pair.chosen.push(image);
  if (pair.chosen.length === 2) {
    const [a, b] = pair.chosen;
    pair.chosen = [];
    openViewer(a, b);
  }
  markChosen();
}

function markChosen() {
  for (const marked of byId("grid").querySelectorAll(".chosen")) marked.classList.remove("chosen");
  for (const image of pair.chosen) tileOf(image)?.classList.add("chosen");
  byId("tray").hidden = pair.chosen.length === 0;
  byId("tray-said").textContent = pair.chosen.length
    ? `Chosen: ${shortened(imageName(pair.chosen[0]), 60)}. Shift-click another one to compare.`
    : "";
}

function startComparing() {
  for (const radio of document.querySelectorAll("input[name=mode]")) {
    radio.addEventListener("change", () => {
      pair.mode = radio.value;
      applyPair();
      showViewed();
    });
  }
  byId("cut").addEventListener("input", applyPair);
  byId("amplify").addEventListener("input", applyPair);
  byId("swap").addEventListener("click", () => openViewer(viewer.other, viewer.image));
  byId("tray-clear").addEventListener("click", () => {
    const [image] = pair.chosen;
    pair.chosen = [];
    markChosen();
    tileOf(image)?.focus();
  });
  applyPair();
}
