// How far a mean may be off: error bars of the plots.

/**
 * The standard error of a mean. Pictures of one prompt are alike, so where there are several
 * prompts it is that of the prompts' means; else that of the pictures.
 *
 * `samples`: { score, prompt }. Returns { size, over } or null where there is but one of them.
 */
function standardError(samples) {
  const byPrompt = new Map();
  for (const { score, prompt } of samples) {
    byPrompt.set(prompt, [...(byPrompt.get(prompt) ?? []), score]);
  }
  const several = byPrompt.size > 1;
  const values = several ? [...byPrompt.values()].map(mean) : samples.map(({ score }) => score);
  if (values.length < 2) return null;
  const middle = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  const size = Math.sqrt(squares / (values.length - 1) / values.length);
  return { size, over: counted(values.length, several ? "prompt" : "image") };
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** With the decimals of the mean. */
function errorText({ y, error }) {
  if (error === null) return "";
  return ` ± ${number(error.size, decimals([y]))} (standard error over ${error.over})`;
}

/** Both ends of the bar, and the point itself: what an axis has to hold. */
const reach = ({ y, error }) => (error === null ? [y] : [y - error.size, y, y + error.size]);

function errorBar(point, shape, { x, y }) {
  if (point.error === null) return null;
  const [low, , high] = reach(point);
  const at = x(point.x);
  const line = (x1, x2, y1, y2) => draw("line", { class: `spread ${shape}`, x1, x2, y1, y2 });
  return draw(
    "g",
    { "aria-hidden": "true" },
    line(at, at, y(low), y(high)),
    line(at - 3, at + 3, y(low), y(low)),
    line(at - 3, at + 3, y(high), y(high)),
  );
}
