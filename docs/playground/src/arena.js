// The arena over the ops, as a picture: who lies where, and from when to when.
import { bytes, el, number, svg } from "./dom.js";

const HEIGHT = 260;
const LEFT = 52;
const TOP = 6;
const FOOT = 34;
const NARROWEST = 22;
const LABELLED = 44; // a column this wide has room for "op 12"

// facts: of the model. chosen: an op's number, or -1. choose(op): a column was clicked.
export function showArena(into, facts, chosen, choose) {
  const ops = facts.ops.filter((op) => op.subgraph === 0);
  const columns = ops.length + 2; // what comes in, and what goes out
  const width = Math.max(NARROWEST, Math.floor((into.clientWidth - LEFT - 2) / columns));
  const x = (op) => LEFT + (op + 1) * width;
  const y = (byte) => TOP + HEIGHT * (1 - byte / facts.arena);
  const whole = svg("svg", {
    viewBox: `0 0 ${LEFT + columns * width + 1} ${TOP + HEIGHT + FOOT}`,
    width: LEFT + columns * width + 1,
    height: TOP + HEIGHT + FOOT,
    role: "img",
    "aria-label": `The arena of ${bytes(facts.arena)} over ${ops.length} ops; the table below says the same.`,
  });
  ops.forEach((op, i) => whole.append(column(op, i, x(i), width, i === chosen, choose)));
  whole.append(label(x(-1) + width / 2, "in"), label(x(ops.length) + width / 2, "out"));
  for (const byte of scale(facts.arena)) {
    const end = LEFT + columns * width;
    whole.append(svg("line", { x1: LEFT, x2: end, y1: y(byte), y2: y(byte), class: "grid" }));
    const text = { x: LEFT - 6, y: y(byte) + 4, "text-anchor": "end" };
    whole.append(svg("text", text, number(byte)));
  }
  const bars = allBars(facts, ops.length);
  for (const bar of bars) {
    const box = {
      x: x(bar.first) + 1.5,
      width: (bar.last - bar.first + 1) * width - 3,
      y: y(bar.offset + bar.nbytes),
      height: Math.max((HEIGHT * bar.nbytes) / facts.arena - 1, 2),
    };
    whole.append(drawBar(bar, box, (at) => at >= 0 && at < ops.length && choose(at)));
  }
  into.replaceChildren(whole);
  return bars;
}

export function arenaTable(bars) {
  const rows = bars.map((bar) =>
    el(
      "tr",
      {},
      ...[
        bar.label,
        bar.dtype,
        number(bar.offset),
        number(bar.nbytes),
        bar.first < 0 ? "before" : `op ${bar.first}`,
        bar.isToEnd ? "the end" : `op ${bar.last}`,
      ].map((text, i) => el("td", { class: i > 1 ? "n" : "" }, text)),
    ),
  );
  const head = ["place", "type", "offset", "bytes", "written", "last read"];
  return [
    el(
      "thead",
      {},
      el("tr", {}, ...head.map((h, i) => el("th", { scope: "col", class: i > 1 ? "n" : "" }, h))),
    ),
    el("tbody", {}, ...rows),
  ];
}

function allBars(facts, last) {
  const state = facts.state.map(([offset, nbytes]) => ({
    ...{ label: "variable", kind: "state", dtype: "", offset, nbytes, first: -1, last },
  }));
  return [...facts.bars, ...state].map((bar) => ({ ...bar, isToEnd: bar.last >= last }));
}

function column(op, i, left, width, isChosen, choose) {
  const box = { x: left, y: TOP, width, height: HEIGHT + FOOT - 2 };
  const group = svg("g", {
    class: isChosen ? "column chosen" : "column",
    onclick: () => choose(i),
  });
  const text = width < LABELLED ? String(op.op) : `op ${op.op}`;
  group.append(svg("rect", box), label(left + width / 2, text));
  return group;
}

const label = (x, text) => svg("text", { x, y: TOP + HEIGHT + 20, "text-anchor": "middle" }, text);

function drawBar(bar, box, choose) {
  const group = svg("g", { class: `place ${bar.kind}`, onclick: () => choose(bar.first) });
  const what = `${bar.label}: ${bytes(bar.nbytes)} at ${number(bar.offset)}`;
  group.append(svg("rect", { ...box, rx: 2 }), svg("title", {}, what));
  const text = bar.kind === "tensor" ? bar.label.replace("tensor ", "") : bar.label;
  if (box.height >= 14 && box.width >= 7 * text.length + 6) {
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 + 4, "text-anchor": "middle" };
    group.append(svg("text", at, text));
  }
  return group;
}

// Four or so round numbers of bytes.
function scale(most) {
  const step = 2 ** Math.max(Math.ceil(Math.log2(most / 4)), 0);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
}
