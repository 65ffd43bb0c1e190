// The head: what it is, how it came out, how it is run again; and what failed.

function drawHead() {
  byId("name").textContent = report.name;
  byId("status").textContent = report.status.toLowerCase();
  byId("status").className = `status ${statusClass(report.status)}`;
  byId("question").textContent = report.question ?? "";
  byId("question").hidden = !report.question;
  byId("counts").textContent = countsLine();
  byId("command").textContent = report.command;
  byId("command").parentElement.hidden = !report.command;
  byId("unmeasured").textContent = `Seconds per image: ${report.unmeasured}`;
  byId("unmeasured").hidden = report.unmeasured === null;
  const groups = report.environment.map(({ name, rows }) =>
    make(
      "div",
      {},
      make("h3", {}, name),
      pairsTable(
        rows.map(([key, values]) => [key, values.join("  |  ")]),
        (key) => severalValues(rows, key),
      ),
    ),
  );
  if (report.runs.length)
    groups.push(make("div", {}, make("h3", {}, "MLflow runs"), pairsTable(report.runs)));
  byId("environment")
    .querySelector(".groups")
    .replaceChildren(...groups);
  byId("environment").hidden = groups.length === 0;
}

function startHead() {
  byId("copy").addEventListener("click", () => copyText(byId("command"), byId("copy")));
}

const severalValues = (rows, key) =>
  rows.some(([name, values]) => name === key && values.length > 1);

function countsLine() {
  const of = (kind) => {
    const axis = axisOf(kind);
    return axis === null ? 0 : report.axes[axis].values.length;
  };
  const parts = [
    report.cells.length > 1 ? counted(report.cells.length, "cell") : null,
    counted(report.images.length, "image"),
    of("prompt") > 1 ? counted(of("prompt"), "prompt") : null,
    of("seed") > 1 ? counted(of("seed"), "seed") : null,
    ...report.swept.map((axis) => `${axis.name} (${axis.values.length})`),
    report.started ? `begun ${moment(report.started)}` : null,
    report.seconds ? `took ${duration(report.seconds)}` : null,
    report.folder,
  ];
  return parts.filter(Boolean).join("  ·  ");
}

/** The clock of the machine that ran it, as it was recorded. */
function moment(text) {
  return text.slice(0, 16).replace("T", " ");
}

/** Copy what an element says; the button tells how that went. */
async function copyText(code, copy) {
  let copied = true;
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Older browsers, and pages that may not: by way of the selection.
    getSelection().selectAllChildren(code);
    copied = document.execCommand("copy");
  }
  copy.textContent = copied ? "Copied" : "Press Ctrl+C";
  setTimeout(() => {
    copy.textContent = "Copy";
  }, 2000);
}

function drawContents() {
  const sections = [...document.querySelectorAll("main > section")].filter(
    (section) => !section.hidden,
  );
  byId("contents").replaceChildren(
    ...sections.map((section) =>
      make("a", { href: `#${section.id}` }, section.querySelector("h2").textContent),
    ),
  );
}

const OPEN = ["PENDING", "RUNNING"];

/** Cells that are not finished, together where they failed in the same way. */
function drawFailures() {
  const groups = new Map();
  for (const cell of report.cells) {
    // While it goes on, what is running or left has not failed.
    const ended = report.status === "RUNNING" ? ["FAILED", "KILLED"] : ["FAILED", "KILLED", ...OPEN];
    if (!ended.includes(cell.status)) continue;
    const key = JSON.stringify([cell.status, cell.failures]);
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  const found = [...groups.values()];
  const count = found.flat().length;
  byId("failures").hidden = count === 0;
  byId("failures").replaceChildren(byId("failures-title"), ...found.map(failure));
  byId("failed").hidden = count === 0 || report.cells.length === 1;
  byId("failed").replaceChildren(
    make(
      "a",
      { href: "#failures" },
      `${count} of ${counted(report.cells.length, "cell")} failed or did not finish`,
    ),
  );
}

function failure(cells) {
  const [first] = cells;
  const errors = first.failures.map(([stage, error]) =>
    make(
      "div",
      { class: "error" },
      make("strong", {}, `stage ${stage}`),
      make("pre", { dir: "auto" }, error),
    ),
  );
  const names = cells.map((cell) =>
    make("li", { dir: "auto" }, `${cellName(cell)} `, make("small", {}, cell.folder)),
  );
  const list = make("ul", {}, ...names);
  return make(
    "article",
    { class: "failure" },
    statusBadge(first.status),
    errors.length
      ? null
      : make(
          "p",
          {},
          first.status === "PENDING"
            ? "It was not begun."
            : "No stage failed; it did not come to its end.",
        ),
    ...errors,
    cells.length > 10
      ? make("details", {}, make("summary", {}, counted(cells.length, "cell")), list)
      : list,
  );
}
