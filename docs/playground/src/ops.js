// What each op wrote: a table of all ops, and one of them in full.
import { bytes, duration, el, hex32, number, svg } from "./dom.js";
import { drawTensor, shapeText, statistics, values } from "./tensors.js";

const BINS = 64;
const THUMB_CHANNELS = 8;

// The tensors that ops wrote, as rows that show: facts of the op, what was measured, the numbers.
export function rowsOf(facts, answer) {
  let at = 0;
  let written = 0;
  const left = [...facts.ops]; // pieces of an op share its number, and come in their order
  return answer.ops.map((told) => {
    const found = left.findIndex((op) => op.subgraph === told.subgraph && op.op === told.op);
    const [op] = left.splice(found, 1);
    const tensors = told.written.map(([tensor, crc], i) => {
      const size = answer.sizes[written++];
      const place = op.written[i];
      const array = answer.trace ? values(answer.trace.slice(at, (at += size)), place.dtype) : null;
      return { ...place, tensor, crc, array, ...(array ? statistics(array) : {}) };
    });
    return { ...op, us: told.us, tensors };
  });
}

// choose(i): the user wants row i in full.
export function showOps(body, rows, chosen, choose) {
  const most = Math.max(...rows.map((row) => row.us), 1);
  body.replaceChildren(...rows.map((row, i) => line(row, i, i === chosen, most, choose)));
}

function line(row, i, isChosen, most, choose) {
  const [tensor] = row.tensors;
  const name = `${row.subgraph ? `${row.subgraph}:` : ""}${row.op} ${row.name}`;
  const attributes = { type: "button", class: "op", "aria-pressed": String(isChosen) };
  const button = el(
    "button",
    attributes,
    ...name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]),
  );
  const bar = el("span", { class: "bar" });
  bar.style.width = `${(100 * row.us) / most}%`;
  const picture = el("canvas", { class: "thumb", "aria-hidden": "true" });
  if (tensor) drawTensor(picture, tensor.array, tensor.shape, THUMB_CHANNELS, THUMB_CHANNELS);
  return el(
    "tr",
    { class: isChosen ? "chosen" : "", onclick: () => choose(i) },
    el("th", { scope: "row" }, button), // a name may break behind its underscores
    el("td", {}, tensor ? picture : ""),
    el("td", { class: "n" }, tensor ? shapeText(tensor.shape) : "nothing"),
    el("td", { class: "n limits" }, tensor ? `${show(tensor.low)} … ${show(tensor.high)}` : ""),
    el("td", { class: "n wide" }, tensor ? hex32(tensor.crc) : ""),
    el("td", { class: "time" }, bar, el("span", {}, duration(row.us))),
  );
}

const show = (value) => (Number.isInteger(value) ? number(value) : value.toPrecision(4));

// One op in full: every tensor that it wrote.
export function showOp(into, row) {
  const steps = row.steps.length ? row.steps.join(", ") : "none: its output is where its input was";
  into.replaceChildren(
    el("h3", {}, `Op ${row.op}: ${row.name}`),
    el("p", { class: "quiet" }, `Steps of the runtime: ${steps}. Time: ${duration(row.us)}.`),
    ...row.tensors.map((tensor) => full(row, tensor)),
  );
}

function full(row, tensor) {
  const { array } = tensor;
  const picture = el("canvas", { class: "channels", role: "img" });
  const channels = tensor.shape.length === 4 ? tensor.shape[3] : 1;
  const [, height = 1, width = 1] = tensor.shape;
  const across = Math.ceil(Math.sqrt((2 * channels * height) / width)); // twice as wide as high
  const shown = drawTensor(picture, array, tensor.shape, 128, across);
  const isPicture = tensor.shape.length === 4 && tensor.shape[1] * tensor.shape[2] > 1;
  const what = isPicture ? `${shown} of ${channels} channels` : `${array.length} elements`;
  picture.setAttribute("aria-label", `Tensor ${tensor.tensor}: ${what}`);
  const facts = [
    ["shape", shapeText(tensor.shape)],
    ["type", tensor.dtype],
    ["min, max", `${show(tensor.low)}, ${show(tensor.high)}`],
    ["mean", tensor.mean.toFixed(2)],
    ...limits(tensor),
    ["place", `${bytes(tensor.nbytes)} at ${number(tensor.offset)}`],
    ["CRC32", hex32(tensor.crc)],
  ];
  return el(
    "div",
    { class: "full" },
    el(
      "figure",
      {},
      picture,
      el(
        "figcaption",
        {},
        `Tensor ${tensor.tensor}: ${what}, dark is ${show(tensor.low)}, bright ${show(tensor.high)}`,
      ),
    ),
    el("figure", {}, histogram(tensor), el("figcaption", {}, "How often each value occurs")),
    el("dl", {}, ...facts.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)])),
  );
}

// How much of an 8-bit tensor lies at the ends of its type.
function limits({ array, dtype }) {
  if (dtype !== "int8") return [];
  const share = (value) => (100 * array.reduce((n, v) => n + (v === value), 0)) / array.length;
  return [["at -128, at 127", `${share(-128).toFixed(0)} %, ${share(127).toFixed(0)} %`]];
}

function histogram({ array, dtype, low, high }) {
  const [from, to] = dtype === "int8" ? [-128, 128] : [low, high > low ? high : low + 1];
  const bins = new Array(BINS).fill(0);
  for (const v of array) bins[Math.min(Math.floor(((v - from) / (to - from)) * BINS), BINS - 1)]++;
  const most = Math.max(...bins);
  const picture = svg("svg", {
    viewBox: "0 0 256 96",
    class: "histogram",
    role: "img",
    "aria-label": `Histogram from ${show(from)} to ${show(to)}; the fullest of ${BINS} bins has ${most}.`,
  });
  bins.forEach((n, i) => {
    const height = n ? Math.max((76 * n) / most, 1) : 0;
    picture.append(svg("rect", { x: 4 * i, y: 78 - height, width: 3, height }));
  });
  picture.append(
    svg("line", { x1: 0, x2: 256, y1: 78.5, y2: 78.5, class: "grid" }),
    svg("text", { x: 0, y: 92 }, show(from)),
    svg("text", { x: 256, y: 92, "text-anchor": "end" }, show(dtype === "int8" ? 127 : to)),
  );
  return picture;
}
