// Both plots: what is chosen in them, where they stand, when they are drawn anew.

let seconds = -1;
let measured = [];
const plots = { quality: 0, colour: null, along: null, value: 0, line: null, drawings: [] };

const plotWidth = (box) => Math.max(260, Math.floor(box.clientWidth));

/** Below the heading; the picker in hand is found again. */
function fillPlot(box, pickers, ...parts) {
  const inHand = [...box.querySelectorAll("select")].indexOf(document.activeElement);
  const row = make("div", { class: "pickers" }, ...pickers);
  box.replaceChildren(box.querySelector("h3"), row, ...parts.filter((part) => part !== null));
  if (inHand >= 0) box.querySelectorAll("select")[inHand].focus();
  writeAddress();
}

/** Which plots there are, and what they show at first. */
function choosePlots() {
  seconds = report.metrics.findIndex(([name]) => name === "seconds");
  measured = report.metrics.map((_, metric) => metric).filter((metric) => metric !== seconds);
  plots.drawings = [];
  const numeric = report.axes
    .map((_, axis) => axis)
    .filter((axis) => report.axes[axis].numbers.length > 0);
  const costs = report.cells.length > 1 && measured.length > 0 && seconds >= 0;
  const runs = numeric.length > 0 && report.metrics.length > 0;
  byId("plots").hidden = !costs && !runs;
  byId("cost").hidden = !costs;
  byId("lines").hidden = !runs;
  const good = measured.find((metric) => report.metrics[metric][1] !== null) ?? measured[0];
  if (costs) {
    plots.quality = good;
    plots.colour = report.swept.length ? 0 : null;
    plots.drawings.push([byId("cost"), drawCost]);
  }
  if (runs) {
    plots.along = numeric.at(-1);
    plots.value = good ?? seconds;
    plots.line = report.axes.findIndex(
      (axis, n) => axis.kind === "swept" && n !== plots.along && several(n),
    );
    if (plots.line < 0) plots.line = null;
    plots.drawings.push([byId("lines"), drawLines]);
  }
}

function drawPlots() {
  for (const [, drawing] of plots.drawings) drawing();
}

function startPlots() {
  const widths = new Map();
  // Drawn to its width, so that letters have the same size on a telephone.
  const observer = new ResizeObserver(() => {
    for (const [box, drawing] of plots.drawings) {
      if (widths.get(box) !== box.clientWidth) {
        widths.set(box, box.clientWidth);
        drawing();
      }
    }
  });
  for (const box of [byId("cost"), byId("lines")]) observer.observe(box);
}
