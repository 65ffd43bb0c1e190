// What `kandinsky compare` found: for each metric a table of settings against the baseline.

const WHISKERS = { width: 180, height: 22, edge: 8 };

function drawComparison() {
  const found = report.comparison;
  byId("comparison").hidden = found === null;
  if (found === null) return;
  byId("comparison").replaceChildren(
    byId("comparison-title"),
    ...comparisonFacts(found, report.outdated),
    ...found.metrics.flatMap((metric) => comparedMetric(metric, found)),
  );
}

function comparisonFacts({ baseline, note, command = "kandinsky compare" }, isOutdated) {
  const said = `Pictures or numbers changed after this comparison: ${command} makes it anew.`;
  const named = choiceName(baseline);
  const facts = [named ? `The baseline is ${named}.` : "", note].filter(Boolean);
  return [
    isOutdated ? make("p", { class: "outdated" }, said) : null,
    ...facts.map((text) => make("p", { dir: "auto" }, text)),
  ].filter((part) => part !== null);
}

const choiceName = (choice) => choice.map(([axis, value]) => `${axis}=${value}`).join(" ");
const valueOf = (choice, axis) => choice.find(([name]) => name === axis)?.[1] ?? NONE;

function comparedMetric(metric, { by, confidence }) {
  const columns = comparedColumns(metric, by, confidence);
  const marked = (row) => (row.verdict === "baseline" ? "marked" : null);
  return metricTable(metric, columns, `Comparison by ${metric.name}`, marked);
}

/** A table of one metric below its name; `look` is the class of a row. */
function metricTable(metric, columns, label, look) {
  const arrow = { higher: "↑ higher is better", lower: "↓ lower is better" }[metric.better] ?? "";
  const heads = columns.map(({ name, numeric }) =>
    name ? make("th", { scope: "col", class: numeric ? "number" : null }, name) : make("td"),
  );
  const rows = metric.rows.map((row) => {
    const cells = columns.map(({ show, numeric }) =>
      make("td", { dir: "auto", class: numeric ? "number" : null }, show(row)),
    );
    return make("tr", { class: look(row) }, ...cells);
  });
  const made = make(
    "table",
    {},
    make("caption", { class: "unseen" }, `${metric.name}: settings against the baseline`),
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...rows),
  );
  return [
    make("h3", {}, metric.name, " ", make("small", {}, arrow)),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, made),
  ];
}

/**
 * Differences where there are any; else the means alone, as of metrics that compare with the
 * baseline by themselves.
 */
function comparedColumns({ rows }, by, confidence) {
  const digits = (...names) => decimals(rows.flatMap((row) => names.map((name) => row[name])));
  const [means, differences] = [digits("mean"), digits("difference", "low", "high")];
  const width = confidence === null ? "interval" : `${number(100 * confidence, 0)}% interval`;
  const paired = rows.some(({ difference }) => difference !== null);
  const dots = rows.map((row) =>
    paired ? [row.low, row.difference, row.high] : [row.mean_low, row.mean, row.mean_high],
  );
  const ends = dots.flat().filter((end) => end !== null);
  const span = paired
    ? [Math.min(0, ...ends), Math.max(0, ...ends)]
    : [Math.min(...ends), Math.max(...ends)];
  const plain = (value) => number(value, means);
  return [
    ...by.map((axis) => ({
      name: axis,
      show: ({ choice }) => valueOf(choice, axis),
    })),
    { name: "images", numeric: true, show: (row) => String(row.n) },
    { name: "mean", numeric: true, show: (row) => plain(row.mean) },
    { name: width, numeric: true, show: (row) => interval(row.mean_low, row.mean_high, plain) },
    ...(paired ? differenceColumns(differences, width) : []),
    { name: "", show: (row) => whiskers(dots[rows.indexOf(row)], span, paired, row.verdict) },
    ...(paired ? [{ name: "verdict", show: ({ verdict }) => verdictBadge(verdict) }] : []),
  ];
}

function differenceColumns(digits, width) {
  const signed = (value) => (value > 0 ? `+${number(value, digits)}` : number(value, digits));
  return [
    { name: "pairs", numeric: true, show: (row) => String(row.pairs) },
    { name: "difference", numeric: true, show: (row) => signed(row.difference) },
    { name: width, numeric: true, show: (row) => interval(row.low, row.high, signed) },
  ];
}

function interval(low, high, shown) {
  return low === null || high === null ? NONE : `${shown(low)} to ${shown(high)}`;
}

function verdictBadge(verdict) {
  if (verdict === "none") return NONE;
  return make("span", { class: `status ${verdictClass(verdict)}` }, verdict);
}

function verdictClass(verdict) {
  return { better: "good", worse: "bad" }[verdict] ?? "open";
}

/** A dot, a line over its interval, and for differences a rule where there is none. */
function whiskers([from, at, to], [low, high], paired, verdict) {
  if (at === null || low === high) return "";
  const { width, height, edge } = WHISKERS;
  const x = (value) => edge + ((value - low) / (high - low)) * (width - 2 * edge);
  const middle = height / 2;
  const line = { class: "whisker", y1: middle, y2: middle };
  return draw(
    "svg",
    { width, height, class: `whiskers ${verdictClass(verdict)}`, "aria-hidden": "true" },
    paired ? draw("line", { class: "zero", x1: x(0), x2: x(0), y1: 0, y2: height }) : null,
    from === null || to === null ? null : draw("line", { ...line, x1: x(from), x2: x(to) }),
    draw("circle", { cx: x(at), cy: middle, r: 4 }),
  );
}
