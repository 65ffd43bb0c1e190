// What `kandinsky compare` found: for each metric a table of treatments against the baseline.

const WHISKERS = { width: 180, height: 22, edge: 8 };

function drawComparison() {
  const found = report.comparison;
  byId("comparison").hidden = found === null;
  if (found === null) return;
  const baseline = found.baseline.map(([axis, value]) => `${axis}=${value}`).join(" ");
  const facts = [
    baseline ? `Differences are from the baseline: ${baseline}.` : null,
    found.confidence === null ? null : `Intervals of ${number(100 * found.confidence, 0)}% confidence.`,
    found.note || null,
  ];
  byId("comparison").append(
    ...facts.filter(Boolean).map((text) => make("p", { dir: "auto" }, text)),
    ...found.metrics.flatMap((metric) => comparedMetric(metric, found.by)),
  );
}

function comparedMetric(metric, by) {
  const arrow = { higher: "↑ higher is better", lower: "↓ lower is better" }[metric.better] ?? "";
  const title = make("h3", {}, metric.name, " ", make("small", {}, arrow));
  const numbers = (...names) => decimals(metric.rows.flatMap((row) => names.map((name) => row[name])));
  const [means, differences] = [numbers("mean"), numbers("difference", "low", "high")];
  const ends = metric.rows.flatMap((row) => [row.difference, row.low, row.high]).filter((end) => end !== null);
  const span = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const heads = [
    ...by.map((axis) => make("th", { scope: "col" }, axis)),
    ...["images", "mean", "pairs", "difference", "interval"].map((name) =>
      make("th", { scope: "col", class: "number" }, name),
    ),
    make("td"),
    make("th", { scope: "col" }, "verdict"),
  ];
  const rows = metric.rows.map((row) =>
    make(
      "tr",
      { class: row.verdict === "baseline" ? "marked" : null },
      ...by.map((axis) => make("td", { dir: "auto" }, row.choice.find(([name]) => name === axis)?.[1] ?? NONE)),
      make("td", { class: "number" }, String(row.n)),
      make("td", { class: "number", title: interval(row.mean_low, row.mean_high, means) }, number(row.mean, means)),
      make("td", { class: "number" }, String(row.pairs)),
      make("td", { class: "number" }, signed(row.difference, differences)),
      make("td", { class: "number" }, interval(row.low, row.high, differences)),
      make("td", {}, whiskers(row, span)),
      make("td", {}, make("span", { class: `status ${verdictClass(row.verdict)}` }, row.verdict)),
    ),
  );
  const table = make(
    "table",
    {},
    make("caption", { class: "unseen" }, `${metric.name}: treatments against the baseline`),
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...rows),
  );
  const box = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Comparison by ${metric.name}` }, table);
  return [title, box];
}

const signed = (value, places) => (value !== null && value > 0 ? `+${number(value, places)}` : number(value, places));

function interval(low, high, places) {
  return low === null || high === null ? NONE : `${signed(low, places)} to ${signed(high, places)}`;
}

function verdictClass(verdict) {
  return { better: "good", worse: "bad" }[verdict] ?? "open";
}

/** A dot at the difference, a line over its interval, and a rule at no difference. */
function whiskers(row, [low, high]) {
  if (row.difference === null || low === high) return "";
  const { width, height, edge } = WHISKERS;
  const x = (value) => edge + ((value - low) / (high - low)) * (width - 2 * edge);
  const middle = height / 2;
  const line = row.low === null || row.high === null
    ? null
    : draw("line", { class: "whisker", x1: x(row.low), x2: x(row.high), y1: middle, y2: middle });
  return draw(
    "svg",
    { width, height, class: `whiskers ${verdictClass(row.verdict)}`, "aria-hidden": "true" },
    draw("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: height }),
    line,
    draw("circle", { cx: x(row.difference), cy: middle, r: 4 }),
  );
}
