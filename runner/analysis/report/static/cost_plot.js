// Quality against seconds, a point a cell, with the Pareto front.

function drawCost() {
  const box = byId("cost");
  const points = costPoints(plots.quality);
  if (!points.length) {
    fillPlot(box, costPickers(), make("p", { class: "empty" }, "No cell has both."));
    return;
  }
  const name = metricName(plots.quality);
  const direction = report.metrics[plots.quality][1];
  const front = direction === null ? [] : paretoFront(points, direction);
  const plot = frame(
    plotWidth(box),
    points.map((point) => point.x),
    points.flatMap(reach),
    {
      all: `${name} against seconds, a point a cell; the numbers are in the table of cells`,
      x: "seconds per image",
      y: `${name} ${better(plots.quality)}`,
    },
  );
  plot.svg.append(frontLine(front, plot));
  const told = make("p", { class: "point", role: "status" });
  told.textContent = "Hover or focus a point; Enter or a click shows its pictures.";
  const marks = points.map((point) =>
    costMark(point, front.includes(point), points.length <= 12, plot),
  );
  reachable(plot.svg, marks, told, (mark) => showCell(mark.place));
  const note = make("p", { class: "hint" }, frontNote(front, direction));
  fillPlot(box, costPickers(), plot.svg, told, legend(colouredValues()), note);
}

function costPoints(metric) {
  const samples = samplesByCell(metric);
  return report.cells
    .map((cell, place) => ({
      place,
      x: cell.means[seconds],
      y: cell.means[metric],
      error: standardError(samples[place]),
    }))
    .filter(({ x, y }) => x !== null && y !== null);
}

function samplesByCell(metric) {
  const prompt = axisOf("prompt");
  const found = report.cells.map(() => []);
  for (const { cell, at, scores } of report.images) {
    if (scores[metric] !== null) found[cell].push({ score: scores[metric], prompt: at[prompt] });
  }
  return found;
}

/** Who cannot be beaten: nothing is at least as good and as quick, and better in one of them. */
function paretoFront(points, direction) {
  const worth = direction === "lower" ? (point) => -point.y : (point) => point.y;
  const front = [];
  const order = [...points].sort((a, b) => a.x - b.x || worth(b) - worth(a));
  for (const point of order) {
    const last = front.at(-1);
    const equal = last && last.x === point.x && worth(last) === worth(point);
    if (!last || worth(point) > worth(last) || equal) front.push(point);
  }
  return front;
}

/** A stair: from one cell to the next nothing is better until its seconds are spent. */
function frontLine(front, { x, y }) {
  const corners = front.flatMap((point, n) => {
    const here = `${x(point.x)},${y(point.y)}`;
    return n ? [`${x(point.x)},${y(front[n - 1].y)}`, here] : [here];
  });
  return draw("polyline", { class: "front", points: corners.join(" ") });
}

function costMark(point, onFront, named, { x, y }) {
  const cell = report.cells[point.place];
  const at = plots.colour === null ? 0 : (cell.choice[plots.colour] ?? 0);
  const shape = `${colour(at)} ${onFront ? "best" : ""}`;
  const label = draw("text", { x: x(point.x) + 9, y: y(point.y) - 7, "aria-hidden": "true" });
  label.textContent = onFront || named ? String(cell.number) : "";
  const said = [
    `${cellName(cell)}. ${metricName(plots.quality)} ${number(point.y)}${errorText(point)}`,
    `${number(point.x)} s per image${onFront ? "; on the Pareto front" : ""}`,
  ].join(", ");
  const circle = draw("circle", { cx: x(point.x), cy: y(point.y), r: 6, class: shape });
  const bar = errorBar(point, colour(at), { x, y });
  return { place: point.place, said, element: draw("g", { class: "mark" }, bar, circle, label) };
}

function colouredValues() {
  if (plots.colour === null) return [];
  const axis = report.swept[plots.colour];
  return axis.values.map((value) => `${axis.name}=${value}`);
}

function frontNote(front, direction) {
  if (direction === null) {
    const name = metricName(plots.quality);
    return `Neither high nor low values of ${name} are the better ones, so there is no front.`;
  }
  if (front.length === 1) {
    const { number: only } = report.cells[front[0].place];
    return `Cell ${only} is at least as good and as quick as all others.`;
  }
  return "The line is the Pareto front: no other cell is both as good and as quick as one on it.";
}

function costPickers() {
  const qualities = measured.map((metric) => [
    String(metric),
    `${metricName(metric)} ${better(metric)}`,
  ]);
  const axes = report.swept.map((axis, n) => [String(n), axis.name]);
  return [
    picker("Quality", qualities, String(plots.quality), (value) => {
      plots.quality = Number(value);
      drawCost();
    }),
    picker("Colour", [["", "none"], ...axes], String(plots.colour ?? ""), (value) => {
      plots.colour = value === "" ? null : Number(value);
      drawCost();
    }),
  ];
}
