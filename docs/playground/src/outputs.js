// The model's outputs as bars: each number as it is (quantised), and the real value it stands for.
import { el, fromHex, number } from "./dom.js";
import { statistics, values } from "./tensors.js";

const MOST = 20;

// outputs: of the model's facts; answers: their bytes in hex. isDigits: elements are digits.
export function showOutputs(into, outputs, answers, isDigits) {
  into.replaceChildren(
    ...outputs.map((output, i) =>
      table(output, values(fromHex(answers[i]), output.dtype), isDigits),
    ),
  );
}

// The element with the largest value.
export const largest = (array) => array.reduce((best, v, i) => (v > array[best] ? i : best), 0);

export function realOf({ quantization_parameters: { scales, zero_points: zeros } }, value) {
  return scales.length ? (value - zeros[0]) * scales[0] : value;
}

function table(output, array, isDigits) {
  const best = largest(array);
  let shown = [...array.keys()];
  if (array.length > MOST) shown = shown.sort((a, b) => array[b] - array[a]).slice(0, MOST);
  const scale = barScale(output, array);
  const rows = shown.map((i) => row(i, array[i], realOf(output, array[i]), i === best, scale));
  const isQuantised = output.quantization_parameters.scales.length > 0;
  const how = isQuantised ? `: ${formula(output)}` : "";
  const what = array.length > MOST ? `, the ${MOST} largest of ${number(array.length)}` : "";
  const head = [isDigits ? "digit" : "element", "", isQuantised ? "real" : "value", output.dtype];
  return el(
    "table",
    { class: "bars" },
    el("caption", {}, `${output.name || "output"}${what}${how}`),
    el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...rows),
  );
}

// How a byte becomes a real number, in words of the caption.
function formula({ dtype, quantization_parameters: { scales, zero_points: zeros } }) {
  const shifted = zeros[0] ? `(${dtype} ${zeros[0] < 0 ? "+" : "−"} ${Math.abs(zeros[0])})` : dtype;
  return `real = ${shifted} × ${Number(scales[0].toPrecision(7))}`;
}

// Where 0 lies in a bar, and how long one unit is: over all values that the type can hold, or over
// those that there are where it holds too many.
function barScale(output, array) {
  const ends = { int8: [-128, 127], uint8: [0, 255] }[output.dtype];
  const { low: smallest, high: most } = statistics(array);
  const [low, high] = (ends ?? [smallest, most]).map((v) => realOf(output, v));
  const least = Math.min(low, 0);
  const span = Math.max(high, 0) - least || 1;
  return (real) => ((real - least) / span) * 100;
}

function row(i, value, real, isBest, scale) {
  const [from, to] = [scale(0), scale(real)].sort((a, b) => a - b);
  const bar = el("span", { class: "bar" });
  bar.style.marginLeft = `${from}%`;
  bar.style.width = `${Math.max(to - from, 0.5)}%`;
  return el(
    "tr",
    isBest ? { class: "best" } : {},
    el("th", { scope: "row" }, String(i)),
    el("td", { class: "track" }, bar),
    el("td", { class: "n" }, real.toFixed(Math.abs(real) >= 100 ? 1 : 4)),
    el("td", { class: "n" }, number(value)),
  );
}
