// The table of cells: sorted by any column, filtered by words.

const table = { by: 0, down: false, words: [] };
let cellColumns = columnsOfCells();

/** Columns: what they are called, what is sorted by and what is shown. */
function columnsOfCells() {
  const numeric = (axis) => axis.numbers.length > 0;
  const swept = report.swept.map((axis, n) => ({
    name: axis.name,
    sort: (cell) => {
      const place = cell.choice[n];
      if (place === null) return null;
      return numeric(axis) ? (axis.numbers[place] ?? axis.values[place]) : axis.values[place];
    },
    show: (cell) => (cell.choice[n] === null ? NONE : axis.values[cell.choice[n]]),
    numeric: numeric(axis),
  }));
  const metrics = report.metrics.map((_, metric) => {
    const means = report.cells.map((cell) => cell.means[metric]);
    const digits = decimals(means);
    const best = bestOf(means, report.metrics[metric][1]);
    return {
      name: `${metricName(metric)} ${better(metric)}`.trim(),
      sort: (cell) => cell.means[metric],
      show: (cell) => number(cell.means[metric], digits),
      title: (cell) => meanOf(cell, metric),
      best: (cell) => best !== null && cell.means[metric] === best,
      numeric: true,
    };
  });
  return [
    {
      name: "cell",
      sort: (cell) => cell.number,
      show: (cell) => String(cell.number),
      numeric: true,
    },
    ...swept,
    { name: "status", sort: (cell) => cell.status, show: (cell) => cell.status },
    {
      name: "images",
      sort: (cell) => cell.images,
      show: (cell) => String(cell.images),
      numeric: true,
    },
    ...metrics,
  ];
}

function meanOf(cell, metric) {
  if (cell.counts[metric]) return `mean of ${counted(cell.counts[metric], "image")}`;
  return cell.means[metric] === null ? "not measured" : "of all its images together";
}

/** The best of several means; null where none is better than another. */
function bestOf(means, direction) {
  const known = means.filter((mean) => mean !== null);
  if (direction === null || known.length < 2) return null;
  return direction === "higher" ? Math.max(...known) : Math.min(...known);
}

function drawCells() {
  const heads = cellColumns.map((column, place) => {
    const sorted = place === table.by ? (table.down ? "descending" : "ascending") : "none";
    const arrow = { none: "", ascending: " ▲", descending: " ▼" }[sorted];
    const head = button(column.name, () => sortBy(place), { class: "sort" });
    head.append(make("span", { class: "arrow", "aria-hidden": "true" }, arrow));
    return make(
      "th",
      { scope: "col", "aria-sort": sorted, class: column.numeric ? "number" : null },
      head,
    );
  });
  const cells = sortedCells();
  const rows = cells.map((place) => cellRow(place));
  byId("cells-table").replaceChildren(
    make(
      "caption",
      { class: "unseen" },
      "Cells with the means of their numbers; click a header to sort",
    ),
    make("thead", {}, make("tr", {}, ...heads)),
    make("tbody", {}, ...rows),
  );
  const all = report.cells.length;
  byId("cells-count").textContent =
    cells.length === all ? counted(all, "cell") : `${cells.length} of ${counted(all, "cell")}`;
  writeAddress();
}

const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);

function sortedCells() {
  const { sort } = cellColumns[table.by];
  return report.cells
    .map((_, place) => place)
    .filter((place) => matches(report.cells[place]))
    .sort((a, b) => ordered(sort(report.cells[a]), sort(report.cells[b])) || a - b);
}

/** Numbers before words; what is not known is last in either direction. */
function ordered(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  const [left, right] = [typeof a === "number", typeof b === "number"];
  const found =
    left !== right
      ? right - left
      : left
        ? a - b
        : String(a).localeCompare(String(b), "en", { numeric: true });
  return table.down ? -found : found;
}

function matches(cell) {
  // What the table shows: a value that all cells have, or one that is hidden, would match at random.
  const text = [`cell ${cell.number}`, cell.label, cell.status].join(" ").toLowerCase();
  return table.words.every((word) => text.includes(word));
}

function sortBy(place) {
  table.down = table.by === place ? !table.down : false;
  table.by = place;
  drawCells();
  byId("cells-table").querySelectorAll("th .sort")[place].focus();
}

function cellRow(place) {
  const cell = report.cells[place];
  const row = make("tr", { "data-cell": place, class: cell.images ? "shows" : null });
  cellColumns.forEach((column, n) => {
    const text = column.show(cell);
    const attributes = {
      class: column.numeric ? "number" : null,
      title: column.title?.(cell) ?? null,
    };
    if (n === 0) {
      const show = button(text, () => showCell(place), {
        "aria-label": `Show the pictures of cell ${text}`,
      });
      row.append(
        make(
          "th",
          { scope: "row", class: "number" },
          cell.images && report.cells.length > 1 ? show : text,
        ),
      );
    } else if (column.name === "status") {
      row.append(make("td", {}, statusBadge(text)));
    } else {
      row.append(make("td", attributes, column.best?.(cell) ? make("strong", {}, text) : text));
    }
  });
  if (cell.images && report.cells.length > 1) {
    row.addEventListener("click", (event) => {
      // Not while a number is being marked to be copied.
      if (!event.target.closest("button") && String(getSelection()) === "") showCell(place);
    });
  }
  return row;
}

function statusBadge(status) {
  return make("span", { class: `status ${statusClass(status)}` }, status.toLowerCase());
}

function statusClass(status) {
  return { FINISHED: "good", FAILED: "bad", KILLED: "bad", RUNNING: "going" }[status] ?? "open";
}

function startTable() {
  byId("filter").addEventListener("input", () => {
    table.words = wordsOf(byId("filter").value);
    drawCells();
  });
  drawCells();
}
