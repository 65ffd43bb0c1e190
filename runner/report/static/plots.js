// Quality against seconds with the Pareto front, and a number along an axis.

const seconds = report.metrics.findIndex(([name]) => name === "seconds");
const measured = report.metrics.map((_, metric) => metric).filter((metric) => metric !== seconds);
const plots = { quality: 0, colour: null, along: null, value: 0, line: null };

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

function drawCost() {
  const box = byId("cost");
  const metric = plots.quality;
  const points = report.cells
    .map((cell, place) => ({ place, x: cell.means[seconds], y: cell.means[metric] }))
    .filter(({ x, y }) => x !== null && y !== null);
  const told = make("p", { class: "point", role: "status" }, "Hover or focus a point; Enter or a click shows its pictures.");
  if (!points.length) return fillPlot(box, costPickers(), make("p", { class: "empty" }, "No cell has both."));
  const direction = report.metrics[metric][1];
  const { svg, x, y } = frame(
    plotWidth(box),
    points.map((point) => point.x),
    points.map((point) => point.y),
    {
      all: `${metricName(metric)} against seconds, a point a cell; the numbers are in the table of cells`,
      x: "seconds per image",
      y: `${metricName(metric)} ${better(metric)}`,
    },
  );
  const front = direction === null ? [] : paretoFront(points, direction);
  const corners = front.flatMap((point, n) => (n ? [[point.x, front[n - 1].y], [point.x, point.y]] : [[point.x, point.y]]));
  svg.append(draw("polyline", { class: "front", points: corners.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") }));
  const marks = points.map((point) => {
    const cell = report.cells[point.place];
    const onFront = front.includes(point);
    const at = plots.colour === null ? 0 : (cell.choice[plots.colour] ?? 0);
    const circle = draw("circle", { cx: x(point.x), cy: y(point.y), r: 6, class: `${colour(at)} ${onFront ? "best" : ""}` });
    const label = onFront || points.length <= 12
      ? draw("text", { x: x(point.x) + 9, y: y(point.y) - 7, "aria-hidden": "true" }, String(cell.number))
      : null;
    const said = `${cellName(cell)}. ${metricName(metric)} ${number(point.y)}, ${number(point.x)} s per image${onFront && front.length ? "; on the Pareto front" : ""}`;
    return { place: point.place, said, element: draw("g", { class: "mark" }, circle, label) };
  });
  reachable(svg, marks, told, (mark) => showCell(mark.place));
  const names = plots.colour === null ? [] : report.swept[plots.colour].values.map((value) => `${report.swept[plots.colour].name}=${value}`);
  const note = direction === null
    ? `Neither high nor low values of ${metricName(metric)} are the better ones, so there is no front.`
    : front.length === 1
      ? `Cell ${report.cells[front[0].place].number} is better and quicker than all others.`
      : "The line is the Pareto front: no other cell is both as good and as quick as one on it.";
  fillPlot(box, costPickers(), svg, told, legend(names), make("p", { class: "hint" }, note));
}

function costPickers() {
  const qualities = measured.map((metric) => [String(metric), `${metricName(metric)} ${better(metric)}`]);
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

function drawLines() {
  const box = byId("lines");
  const lines = linesOf(plots.along, plots.value, plots.line);
  const points = lines.flatMap((line) => line.points);
  if (!points.length) return fillPlot(box, linesPickers(), make("p", { class: "empty" }, "Nothing has this number."));
  const along = report.axes[plots.along];
  const told = make("p", { class: "point", role: "status" }, "Hover or focus a point for its numbers.");
  const { svg, x, y } = frame(
    plotWidth(box),
    points.map((point) => point.x),
    points.map((point) => point.y),
    {
      all: `${metricName(plots.value)} along ${along.name}, means`,
      x: along.name,
      y: `${metricName(plots.value)} ${better(plots.value)}`,
    },
  );
  for (const [n, line] of lines.entries()) {
    const path = line.points.map((point) => `${x(point.x)},${y(point.y)}`).join(" ");
    svg.append(draw("polyline", { class: `line ${colour(n)}`, points: path }));
  }
  const marks = lines.flatMap((line, n) =>
    line.points.map((point) => ({
      said: `${line.name ? `${line.name}, ` : ""}${along.name}=${along.values[point.place]}: ${metricName(plots.value)} ${number(point.y)}, mean of ${counted(point.count, ofCells(plots.value) ? "cell" : "image")}`,
      element: draw("g", { class: "mark" }, draw("circle", { cx: x(point.x), cy: y(point.y), r: 4.5, class: `best ${colour(n)}` })),
    })),
  );
  reachable(svg, marks, told, null);
  fillPlot(box, linesPickers(), svg, told, legend(lines.map((line) => line.name)));
}

/** A line for each value of an axis: means over what stands at the same number. */
function linesOf(along, metric, line) {
  const found = new Map();
  for (const { at, score } of samples(metric)) {
    const x = at(along) === null ? null : report.axes[along].numbers[at(along)];
    if (x === null || score === null) continue;
    const name = line === null ? "" : placeName(report.axes[line], at(line));
    const key = line === null ? -1 : (at(line) ?? Infinity);
    if (!found.has(key)) found.set(key, { key, name, sums: new Map() });
    const sums = found.get(key).sums;
    const sum = sums.get(at(along)) ?? { place: at(along), x, total: 0, count: 0 };
    sum.total += score;
    sum.count += 1;
    sums.set(at(along), sum);
  }
  return [...found.values()]
    .sort((a, b) => a.key - b.key)
    .map(({ name, sums }) => ({
      name,
      points: [...sums.values()]
        .map((sum) => ({ ...sum, y: sum.total / sum.count }))
        .sort((a, b) => a.x - b.x),
    }));
}

/** What a number was measured of: images, or cells where it was measured of all their images. */
function samples(metric) {
  if (!ofCells(metric)) return report.images.map(({ at, scores }) => ({ at: (axis) => at[axis], score: scores[metric] }));
  return report.cells.map((cell) => ({
    at: (axis) => cell.choice[report.swept.findIndex(({ name }) => name === report.axes[axis].name)] ?? null,
    score: cell.means[metric],
  }));
}

function ofCells(metric) {
  return report.images.every(({ scores }) => scores[metric] === null);
}

function linesPickers() {
  const all = report.axes.map((axis, place) => [String(place), axis.name, axis]);
  const numeric = all.filter(([, , axis]) => axis.numbers.length > 0);
  const others = all.filter(
    ([place, , axis]) => Number(place) !== plots.along && ["swept", "prompt"].includes(axis.kind) && several(Number(place)),
  );
  const metrics = report.metrics.map((_, metric) => [String(metric), `${metricName(metric)} ${better(metric)}`]);
  return [
    picker("Along", numeric, String(plots.along), (value) => {
      plots.along = Number(value);
      if (plots.line === plots.along) plots.line = null;
      drawLines();
    }),
    picker("Number", metrics, String(plots.value), (value) => {
      plots.value = Number(value);
      drawLines();
    }),
    picker("A line each", [["", "all together"], ...others], String(plots.line ?? ""), (value) => {
      plots.line = value === "" ? null : Number(value);
      drawLines();
    }),
  ];
}

const plotWidth = (box) => Math.max(260, Math.floor(box.clientWidth));

/** Below the heading; the picker in hand is found again. */
function fillPlot(box, pickers, ...parts) {
  const inHand = [...box.querySelectorAll("select")].indexOf(document.activeElement);
  const row = make("div", { class: "pickers" }, ...pickers);
  box.replaceChildren(box.querySelector("h3"), row, ...parts.filter((part) => part !== null));
  if (inHand >= 0) box.querySelectorAll("select")[inHand].focus();
}

function startPlots() {
  const numeric = report.axes.map((_, axis) => axis).filter((axis) => report.axes[axis].numbers.length > 0);
  const costs = report.cells.length > 1 && measured.length > 0 && seconds >= 0;
  const runs = numeric.length > 0 && report.metrics.length > 0;
  byId("plots").hidden = !costs && !runs;
  byId("cost").hidden = !costs;
  byId("lines").hidden = !runs;
  const good = measured.find((metric) => report.metrics[metric][1] !== null) ?? measured[0];
  const widths = new Map();
  const drawings = [];
  if (costs) {
    plots.quality = good;
    plots.colour = report.swept.length ? 0 : null;
    drawings.push([byId("cost"), drawCost]);
  }
  if (runs) {
    plots.along = numeric.at(-1);
    plots.value = good ?? seconds;
    plots.line = report.axes.findIndex((axis, n) => axis.kind === "swept" && n !== plots.along && several(n));
    if (plots.line < 0) plots.line = null;
    drawings.push([byId("lines"), drawLines]);
  }
  // Drawn to its width, so that letters have the same size on a telephone.
  const observer = new ResizeObserver(() => {
    for (const [box, drawing] of drawings) {
      if (widths.get(box) !== box.clientWidth) {
        widths.set(box, box.clientWidth);
        drawing();
      }
    }
  });
  for (const [box] of drawings) observer.observe(box);
}
