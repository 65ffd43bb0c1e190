// What both plots are made of: scales with round ticks, marks that can be reached by keyboard.

const COLOURS = 8;

/** Round numbers that span the values, about `most` of them. */
function ticks(low, high, most) {
  if (low === high) {
    const room = Math.abs(low) * 0.1 || 1;
    return ticks(low - room, high + room, most);
  }
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, n) =>
    Number(((first + n) * step).toPrecision(12)),
  );
}

/** An empty plot as wide as its place, with axes. `x` and `y` of a value in pixels. */
function frame(width, xs, ys, labels) {
  const height = Math.round(Math.min(400, Math.max(260, width * 0.6)));
  const [xTicks, yTicks] = [
    ticks(Math.min(...xs), Math.max(...xs), Math.max(3, width / 110)),
    ticks(Math.min(...ys), Math.max(...ys), 5),
  ];
  const texts = (values) => values.map((value) => number(value, stepDecimals(values)));
  const [xTexts, yTexts] = [texts(xTicks), texts(yTicks)];
  const left = 14 + 7 * Math.max(...yTexts.map((text) => text.length));
  const box = { left, right: width - 16, top: 26, bottom: height - 42 };
  const along = (value, list, from, to) =>
    from + ((value - list[0]) / (list.at(-1) - list[0])) * (to - from);
  const x = (value) => along(value, xTicks, box.left, box.right);
  const y = (value) => along(value, yTicks, box.bottom, box.top);
  const svg = draw("svg", {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: "group",
    "aria-label": labels.all,
  });
  for (const [n, value] of yTicks.entries()) {
    svg.append(
      draw("line", { class: "rule", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      draw("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, yTexts[n]),
    );
  }
  for (const [n, value] of xTicks.entries()) {
    svg.append(
      draw("line", {
        class: "rule",
        x1: x(value),
        x2: x(value),
        y1: box.bottom,
        y2: box.bottom + 4,
      }),
      draw("text", { x: x(value), y: box.bottom + 18, "text-anchor": "middle" }, xTexts[n]),
    );
  }
  svg.append(
    draw("text", { class: "axis", x: box.right, y: height - 6, "text-anchor": "end" }, labels.x),
    draw("text", { class: "axis", x: 2, y: 13 }, labels.y),
  );
  return { svg, x, y, box };
}

function stepDecimals(values) {
  const step = Math.abs(values[1] - values[0]);
  return Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

/** Marks of a plot: one of them is in the order of the Tab key, the arrow keys go on from there. */
function reachable(svg, marks, told, act) {
  marks.forEach((mark, place) => {
    mark.element.setAttribute("tabindex", place === 0 ? "0" : "-1");
    mark.element.setAttribute("role", act ? "button" : "img");
    mark.element.setAttribute("aria-label", mark.said);
    const say = () => {
      told.textContent = mark.said;
    };
    mark.element.addEventListener("pointerenter", say);
    mark.element.addEventListener("focus", say);
    mark.element.addEventListener("click", () => act?.(mark));
    mark.element.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by) {
        event.preventDefault();
        const next = marks[(place + by + marks.length) % marks.length].element;
        mark.element.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      } else if (act && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        act(mark);
      }
    });
    svg.append(mark.element);
  });
}

/** Names of colours and their values; nothing where there is but one. */
function legend(names) {
  if (names.length < 2) return null;
  return make(
    "ul",
    { class: "legend" },
    ...names.map((name, n) =>
      make(
        "li",
        {},
        make("span", { class: `swatch ${colour(n)}`, "aria-hidden": "true" }),
        shortened(name, 60),
      ),
    ),
  );
}

/** The class of the n-th colour; after the eighth they come again with broken lines. */
function colour(n) {
  return `colour${n % COLOURS}${n >= COLOURS ? " broken" : ""}`;
}
