// What people voted, as `kandinsky compare` found it: strengths of the settings, by question.

function drawVotes() {
  const found = report.votes;
  byId("votes").hidden = found === null;
  if (found === null) return;
  const said = "Pictures or votes changed since: kandinsky compare counts anew.";
  const warnings = found.warnings.map((text) => make("p", { class: "hint" }, `${text}.`));
  byId("votes").replaceChildren(
    byId("votes-title"),
    ...(found.outdated ? [make("p", { class: "outdated" }, said)] : []),
    make("p", { dir: "auto" }, `The baseline is ${choiceName(found.baseline)}.`),
    ...found.questions.flatMap((each) => votedQuestion(each, found)),
    ...warnings,
  );
}

function votedQuestion({ question, notes, rows }, { by, confidence }) {
  const columns = voteColumns(rows, by, confidence);
  const marked = (row) => (row.verdict === "baseline" ? "marked" : null);
  const [counted, ...others] = notes;
  return [
    ...metricTable({ name: question, better: null, rows }, columns, `Votes: ${question}`, marked),
    make("p", { class: "hint" }, counted),
    make(
      "details",
      {},
      make("summary", {}, "How to read it; how far voters agree"),
      ...others.map((text) => make("p", {}, text)),
    ),
  ];
}

function voteColumns(rows, by, confidence) {
  const ends = rows.flatMap((row) => [row.low, row.strength, row.high].filter((end) => end !== null));
  const span = [Math.min(0, ...ends), Math.max(0, ...ends)];
  // Without an end the line leads to the edge.
  const dots = rows.map(({ low, strength, high }) =>
    low === high ? [low, strength, high] : [low ?? span[0], strength, high ?? span[1]],
  );
  const signed = (value) => (value > 0 ? `+${number(value, 2)}` : number(value, 2));
  const counted = ["won", "tied", "lost"].map((name) => ({
    name,
    numeric: true,
    show: (row) => String(row[name]),
  }));
  return [
    ...by.map((axis) => ({ name: axis, show: ({ choice }) => valueOf(choice, axis) })),
    ...counted,
    { name: "strength", numeric: true, show: ({ strength }) => signed(strength) },
    {
      name: `${number(100 * confidence, 0)}% interval`,
      numeric: true,
      show: ({ low, high }) => votedInterval(low, high, signed),
    },
    { name: "", show: (row) => whiskers(dots[rows.indexOf(row)], span, true, row.verdict) },
    { name: "preferred", numeric: true, show: ({ preferred }) => number(preferred, 2) },
    { name: "verdict", show: ({ verdict }) => verdictBadge(verdict) },
  ];
}

/** Where all votes were the same, it has one end. */
function votedInterval(low, high, shown) {
  if (low !== null && high === null) return `above ${shown(low)}`;
  if (low === null && high !== null) return `below ${shown(high)}`;
  return interval(low, high, shown);
}
