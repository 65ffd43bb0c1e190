// What `kandinsky compare --within` found: differences by stratum and over all, as a forest.

const OVERALL = "all";

function drawWithin() {
  byId("within").hidden = report.within.length === 0;
  byId("within").replaceChildren(byId("within-title"), ...report.within.flatMap(partWithin));
}

function partWithin(found) {
  const where = found.where.length ? `, where ${found.where.join(" ")}` : "";
  const title = `${found.by.join(", ")} within ${found.within.join(", ")}${where}`;
  return [
    make("h3", { dir: "auto" }, title),
    ...comparisonFacts({ ...found, note: "" }, found.outdated),
    ...found.metrics.flatMap((metric) => metricWithin(metric, found, title)),
    make("details", {}, make("summary", {}, "How to read it"), make("p", {}, found.note)),
  ];
}

function metricWithin(metric, found, title) {
  const overall = ({ stratum }) => (stratum === null ? "overall" : null);
  return [
    ...metricTable(metric, withinColumns(metric, found), `${metric.name}: ${title}`, overall),
    ...metric.interactions.map(interactionLine),
  ];
}

function withinColumns({ rows }, { by, within, confidence }) {
  const digits = decimals(rows.flatMap(({ difference, low, high }) => [difference, low, high]));
  const dots = rows.map(({ low, difference, high }) => [low, difference, high]);
  const ends = dots.flat().filter((end) => end !== null);
  const span = [Math.min(0, ...ends), Math.max(0, ...ends)];
  const axes = (names, choiceOf) =>
    names.map((axis) => ({ name: axis, show: (row) => choiceOf(row, axis) }));
  return [
    ...axes(within, ({ stratum }, axis) => (stratum === null ? OVERALL : valueOf(stratum, axis))),
    ...axes(by, ({ choice }, axis) => valueOf(choice, axis)),
    ...differenceColumns(digits, `joint ${number(100 * confidence, 0)}% interval`),
    { name: "", show: (row) => whiskers(dots[rows.indexOf(row)], span, true, row.verdict) },
    { name: "verdict", show: ({ verdict }) => verdictBadge(verdict) },
  ];
}

function interactionLine({ choice, statistic, p, answer }) {
  const test = statistic === null ? "" : ` (F ${number(statistic, 2)}, adjusted p ${shortP(p)})`;
  const said = `Does the difference of ${choiceName(choice)} depend on the stratum? ${answer}${test}`;
  return make("p", { class: "hint", dir: "auto" }, said);
}

const shortP = (p) => (p < 0.001 ? "below 0.001" : number(p, 3));
