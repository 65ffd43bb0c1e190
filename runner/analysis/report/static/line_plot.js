// A number along an axis of numbers, a line for each value of another axis.

const BARS = "Bars are a standard error up and down.";

function drawLines() {
  const box = byId("lines");
  const lines = linesOf(plots.along, plots.value, plots.line);
  const points = lines.flatMap((line) => line.points);
  if (!points.length) {
    fillPlot(box, linesPickers(), make("p", { class: "empty" }, "Nothing has this number."));
    return;
  }
  const along = report.axes[plots.along];
  const name = metricName(plots.value);
  const plot = frame(
    plotWidth(box),
    points.map((point) => point.x),
    points.flatMap(reach),
    {
      all: `${name} along ${along.name}, means`,
      x: along.name,
      y: `${name} ${better(plots.value)}`,
    },
  );
  for (const [n, line] of lines.entries()) {
    const path = line.points.map((point) => `${plot.x(point.x)},${plot.y(point.y)}`).join(" ");
    plot.svg.append(draw("polyline", { class: `line ${colour(n)}`, points: path }));
    plot.svg.append(...line.points.flatMap((point) => errorBar(point, colour(n), plot) ?? []));
  }
  const told = make("p", { class: "point", role: "status" });
  const bars = points.some(({ error }) => error !== null);
  told.textContent = `Hover or focus a point for its numbers.${bars ? ` ${BARS}` : ""}`;
  const marks = lines.flatMap((line, n) =>
    line.points.map((point) => lineMark(line, point, colour(n), plot)),
  );
  reachable(plot.svg, marks, told, null);
  fillPlot(box, linesPickers(), plot.svg, told, legend(lines.map((line) => line.name)));
}

function lineMark(line, point, shape, { x, y }) {
  const along = report.axes[plots.along];
  const of = counted(point.count, ofCells(plots.value) ? "cell" : "image");
  const said = [
    line.name ? `${line.name}, ` : "",
    `${along.name}=${along.values[point.place]}: `,
    `${metricName(plots.value)} ${number(point.y)}${errorText(point)}, mean of ${of}`,
  ].join("");
  const circle = draw("circle", { cx: x(point.x), cy: y(point.y), r: 4.5, class: `best ${shape}` });
  return { said, element: draw("g", { class: "mark" }, circle) };
}

/** A line for each value of an axis: means over what stands at the same number. */
function linesOf(along, metric, line) {
  const found = new Map();
  for (const { at, score, prompt } of samples(metric)) {
    const x = at(along) === null ? null : report.axes[along].numbers[at(along)];
    if (x === null || score === null) continue;
    const name = line === null ? "" : placeName(report.axes[line], at(line));
    const key = line === null ? -1 : (at(line) ?? Infinity);
    if (!found.has(key)) found.set(key, { key, name, sums: new Map() });
    const sums = found.get(key).sums;
    const sum = sums.get(at(along)) ?? { place: at(along), x, measured: [] };
    sum.measured.push({ score, prompt });
    sums.set(at(along), sum);
  }
  return [...found.values()]
    .sort((a, b) => a.key - b.key)
    .map(({ name, sums }) => ({
      name,
      points: [...sums.values()]
        .map(({ measured, ...sum }) => ({
          ...sum,
          count: measured.length,
          y: mean(measured.map(({ score }) => score)),
          error: standardError(measured),
        }))
        .sort((a, b) => a.x - b.x),
    }));
}

/** What a number was measured of: images, or cells where it was measured of all their images. */
function samples(metric) {
  if (!ofCells(metric))
    return report.images.map(({ at, scores }) => ({
      at: (axis) => at[axis],
      score: scores[metric],
      prompt: at[axisOf("prompt")],
    }));
  return report.cells.map((cell) => ({
    at: (axis) =>
      cell.choice[report.swept.findIndex(({ name }) => name === report.axes[axis].name)] ?? null,
    score: cell.means[metric],
    prompt: null,
  }));
}

function ofCells(metric) {
  return report.images.every(({ scores }) => scores[metric] === null);
}

function linesPickers() {
  const all = report.axes.map((axis, place) => [String(place), axis.name, axis]);
  const numeric = all.filter(([, , axis]) => axis.numbers.length > 0);
  const others = all.filter(
    ([place, , axis]) =>
      Number(place) !== plots.along &&
      ["swept", "prompt"].includes(axis.kind) &&
      several(Number(place)),
  );
  const metrics = report.metrics.map((_, metric) => [
    String(metric),
    `${metricName(metric)} ${better(metric)}`,
  ]);
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
