// The page: what the user does becomes an input, the engine runs it, and everything is shown.
import { arenaTable, showArena } from "./arena.js";
import { checkMany, checkText, compareWithRecord, fillCounts } from "./check.js";
import { pageData } from "./data.js";
import { byId, bytes, duration, fromHex, hexOf, number, save } from "./dom.js";
import { Engine } from "./engine.js";
import { Inputs } from "./inputs.js";
import { readModel, whatIsWrong } from "./models.js";
import { rowsOf, showOp, showOps } from "./ops.js";
import { largest, realOf, showOutputs } from "./outputs.js";
import { npyParts, shapeText, values } from "./tensors.js";

const page = pageData();
const engine = new Engine(page.worker, page.engine);
const inputs = new Inputs(page.examples, inputChanged);
let facts = null; // of the model that is loaded
let name = "digits";
let digitsSha = "";
let chosen = 0; // the op that is shown in full
let rows = [];
let wantsRun = false; // the input has changed while something ran

// What is shown, for tests and for the curious in the browser's console.
globalThis.playground = {
  state: "starting",
  facts: null,
  input: null,
  result: null,
  check: null,
  files: 0,
  engine,
};

const isDigits = () => facts?.sha256 === digitsSha;

function say(text) {
  byId("status").textContent = text;
}

function complain(text) {
  byId("error").hidden = !text;
  byId("error").textContent = text;
}

function setBusy(isBusy) {
  byId("stop").disabled = !isBusy;
  byId("run").disabled = byId("check-run").disabled = isBusy || !facts;
  byId("reset").disabled = isBusy;
  byId("progress").hidden = !isBusy;
  playground.state = isBusy ? "busy" : "ready";
}

// After a stop MicroPython starts anew.
async function settled() {
  while (engine.isBusy) await new Promise((done) => setTimeout(done, 20));
}

function showProgress(done, of) {
  byId("progress").max = of;
  byId("progress").value = done;
}

// Load a packed model and run it; the one before stays where this one is refused.
async function take(data, label) {
  if (engine.isBusy) await engine.stop("Stopped: another model was taken.");
  const before = engine.model;
  setBusy(true);
  say(`Loading ${label}…`);
  byId("progress").removeAttribute("value");
  const found = await engine.load(data);
  if (found.error) {
    complain(`${label}: ${whatIsWrong(found)}`);
    if (found.kind === "crash") await engine.stop();
    await settled();
    if (before) await engine.load(before);
    setBusy(false);
    say(facts ? `${name} is still loaded.` : "No model is loaded.");
    return;
  }
  complain("");
  [facts, name, chosen] = [found, label, 0];
  digitsSha ||= facts.sha256;
  showModel();
  setBusy(false);
  inputs.forModel(facts, isDigits());
}

function showModel() {
  playground.facts = facts;
  const shapes = (tensors) => tensors.map((t) => `${t.dtype} ${shapeText(t.shape)}`).join(", ");
  byId("model-name").textContent = name;
  byId("model-facts").textContent =
    `${shapes(facts.inputs)} in, ${shapes(facts.outputs)} out; ${facts.ops.length} ops; ` +
    `${bytes(facts.bytes)} packed by ${facts.tool}; the .tflite file's sha256 begins with ` +
    `${facts.sha256.slice(0, 16)}.`;
  byId("digits").hidden = isDigits();
  byId("check").hidden = byId("examples").hidden = !isDigits();
  byId("reset").hidden = !facts.state.length;
  const scratch = facts.arena - facts.head - facts.state.reduce((sum, [, size]) => sum + size, 0);
  byId("arena-size").textContent =
    `It has ${bytes(facts.arena)}: ${number(facts.head)} for tensors, ` +
    `${number(facts.arena - facts.head - scratch)} for variables, ${number(scratch)} for scratch and alignment.`;
}

function inputChanged() {
  wantsRun = true;
  if (!engine.isBusy) run();
}

async function run() {
  if (!facts || !inputs.bytes) return;
  wantsRun = false;
  setBusy(true);
  const given = inputs.bytes.map((each) => each.slice());
  const { example } = inputs;
  const total = facts.ops.length;
  showProgress(0, total);
  const slow = setTimeout(() => say("Running…"), 300);
  const answer = await engine.run(given, true, (done) => showProgress(done, total));
  clearTimeout(slow);
  if (answer.error) {
    complain(answer.kind === "stopped" ? "" : `The run failed: ${whatIsWrong(answer)}`);
    say(answer.error);
    playground.result = null;
    if (answer.kind === "crash") await engine.stop();
    await settled();
    setBusy(false);
    return;
  }
  complain("");
  try {
    show(answer, given, example);
  } catch (error) {
    complain(`The page cannot show what the model gave: ${error.message}`);
  }
  setBusy(false);
  if (wantsRun) run();
}

function show(answer, given, example) {
  rows = rowsOf(facts, answer);
  playground.input = given.map(hexOf);
  playground.result = { outputs: answer.outputs, ops: answer.ops };
  const us = answer.ops.reduce((sum, op) => sum + op.us, 0);
  showOutputs(byId("outputs"), facts.outputs, answer.outputs, isDigits());
  say(`${showAnswer(answer)}: ${answer.ops.length} ops in ${duration(us)}.`);
  showVerdict(answer, example);
  choose(Math.min(chosen, rows.length - 1));
}

// Gives the same in words, for where the answer itself is not in sight.
function showAnswer(answer) {
  const [output] = facts.outputs;
  const array = values(fromHex(answer.outputs[0]), output.dtype);
  const best = largest(array);
  const real = realOf(output, array[best]);
  const [big, rest, words] = isDigits()
    ? [best, `with ${(100 * real).toFixed(1)} %`, `Read as ${best}`]
    : array.length > 1
      ? [
          `#${best}`,
          `has the largest value, ${real.toPrecision(4)}`,
          `${name}: #${best} is largest`,
        ]
      : [real.toPrecision(4), "", `${name}: ${real.toPrecision(4)}`];
  byId("answer-value").textContent = big;
  byId("answer-text").textContent = rest;
  return words;
}

function showVerdict(answer, example) {
  const verdict = byId("verdict");
  verdict.className = "quiet";
  if (example === null || !isDigits()) {
    verdict.textContent =
      "To compare with a PC, save the input and run it there: " +
      "microinterp run MODEL.tflite input.npy";
    return;
  }
  const found = compareWithRecord(page.examples, example, answer);
  const isEqual = !found.differingBytes && !found.differingCrcs;
  verdict.classList.add(isEqual ? "good" : "bad");
  verdict.textContent =
    `Test image ${example}: a person wrote ${found.is}. ` +
    (isEqual
      ? `All ${found.bytes} output bytes${found.crcs ? ` and ${found.crcs} CRC32s of ops` : ""} are those of TensorFlow Lite Micro.`
      : `${found.differingBytes} output bytes and ${found.differingCrcs} CRC32s DIFFER from TensorFlow Lite Micro's.`);
}

function choose(i) {
  if (!rows.length) return;
  chosen = i;
  const focused = document.activeElement?.matches("button.op");
  showOps(byId("op-rows"), rows, i, choose);
  if (focused) byId("op-rows").rows[i].querySelector("button").focus();
  showOp(byId("op"), rows[i]);
  showArenaAround(i);
}

function showArenaAround(i) {
  if (!rows.length) return;
  const main = rows.filter((row) => row.subgraph === 0); // the arena's columns
  const bars = showArena(byId("arena-picture"), facts, main.indexOf(rows[i]), (column) => {
    choose(rows.indexOf(main[column]));
  });
  byId("arena-table").replaceChildren(...arenaTable(bars));
}

async function check() {
  setBusy(true);
  const count = Number(byId("many").value);
  const sums = await checkMany(engine, facts, page.examples, count, (done, of) => {
    showProgress(done, of);
    byId("check-text").textContent = `${done} of ${of}…`;
  });
  await settled();
  const stopped = sums.error ? `${sums.error} ` : "";
  byId("check-text").textContent = stopped + checkText(sums, page.examples);
  playground.check = sums;
  setBusy(false);
  if (wantsRun) run();
}

const takeModel = async (file) => take(await readModel(file), file.name);

let queue; // of what the user gives, one after the other, when MicroPython has started

// Do with a file, or with what was typed, what `takes` does; its errors are texts for the user.
function takeFile(given, takes) {
  queue = queue.then(async () => {
    if (playground.state === "broken") return;
    try {
      complain("");
      await takes(given);
    } catch (error) {
      complain(error.message);
    }
    playground.files++;
  });
}

function wireFile(button, field, takes) {
  byId(button).addEventListener("click", () => byId(field).click());
  byId(field).addEventListener("change", () => {
    const [file] = byId(field).files;
    if (file) takeFile(file, takes);
    byId(field).value = ""; // the same file may be chosen again
  });
}

function wire() {
  byId("run").addEventListener("click", run);
  byId("stop").addEventListener("click", () => engine.stop());
  byId("check-run").addEventListener("click", check);
  byId("digits").addEventListener("click", () =>
    takeFile(page.model, (data) => take(data, "digits")),
  );
  byId("save").addEventListener("click", () => {
    if (!facts) return;
    const which = inputs.which;
    const label = facts.inputs.length > 1 ? `input_${which}` : "input";
    save(`${label}.npy`, npyParts(inputs.bytes[which], facts.inputs[which]));
  });
  byId("numbers").addEventListener("change", () => {
    takeFile(byId("numbers").value, async (text) => inputs.typed(text));
  });
  byId("reset").addEventListener("click", async () => {
    if (engine.isBusy) return;
    await engine.reset();
    run();
  });
  wireFile("choose", "model-file", takeModel);
  wireFile("picture", "picture-file", (file) => inputs.loadPicture(file));
  wireFile("input-load", "input-file", (file) => inputs.loadNumbers(file));
  const drag = (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", event.type === "dragover");
  };
  let width = 0; // the arena's picture takes the room there is
  new ResizeObserver(([{ contentRect: box }]) => {
    if (box.width !== width) showArenaAround(chosen);
    width = box.width;
  }).observe(byId("arena-picture"));
  for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, drag);
  addEventListener("drop", ({ dataTransfer: { files } }) => {
    if (!files.length) return;
    const isPicture = files[0].type.startsWith("image/");
    takeFile(files[0], isPicture ? (file) => inputs.loadPicture(file) : takeModel);
  });
}

async function start() {
  wire();
  fillCounts(page.examples);
  const { about } = page;
  byId("about").textContent =
    `microinterp ${about.version}, runtime for boards compiled by ${about.compiler.split(";")[0]}; ` +
    `run by MicroPython ${about.port}, WebAssembly port, bytecode kernels.`;
  const started = await engine.start();
  if (started.error) {
    say("MicroPython did not start.");
    const served =
      "Some browsers allow no workers in pages from the disk. Serve its folder instead: " +
      "python -m http.server, then open http://localhost:8000.";
    complain(`${started.error}.${location.protocol === "file:" ? `\n${served}` : ""}`);
    playground.state = "broken";
    return;
  }
  await take(page.model, "digits");
}

queue = start();
