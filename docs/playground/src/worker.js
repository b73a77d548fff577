// MicroPython in a worker: it takes one request at a time and answers each, so that the page stays
// alive whatever runs here, and can end it.
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";

const HEAP_BYTES = 4 << 20; // at start; the port takes more from the browser when it needs it
const MODEL = "/model.mipk";
const TRACE = "/trace.bin";

let lab; // board/lab.py
let files; // the port's file system

const requests = {
  async start({ wasm, runtime, sources }) {
    const url = URL.createObjectURL(new Blob([wasm], { type: "application/wasm" }));
    const port = await loadMicroPython({ url, heapsize: HEAP_BYTES });
    URL.revokeObjectURL(url);
    files = port.FS;
    files.mkdirTree("/lib/microinterp");
    for (const [folder, those] of [
      ["/lib/microinterp", runtime],
      ["/lib", sources],
    ]) {
      for (const [name, bytes] of Object.entries(those))
        files.writeFile(`${folder}/${name}`, bytes);
    }
    port.registerJsModule("page", {
      now: () => performance.now(), // the port's own clock ticks in milliseconds
      progress: (done) => postMessage({ progress: done }),
    });
    port.runPython("import sys\nsys.path.append('/lib')");
    lab = port.pyimport("lab");
    return {
      version: port.runPython("'.'.join([str(n) for n in sys.implementation.version[:3]])"),
    };
  },

  load({ bytes }) {
    files.writeFile(MODEL, bytes);
    return JSON.parse(lab.load());
  },

  run({ inputs, values }) {
    for (const [index, bytes] of inputs.entries()) {
      files.writeFile("/input.bin", bytes);
      const answer = JSON.parse(lab.set_input(index, "/input.bin"));
      if (answer.error) return answer;
    }
    const answer = JSON.parse(lab.run(values));
    if (!answer.error && values) answer.trace = files.readFile(TRACE);
    return answer;
  },

  reset() {
    return JSON.parse(lab.reset());
  },
};

onmessage = async ({ data }) => {
  try {
    postMessage({ answer: await requests[data.request](data) });
  } catch (error) {
    postMessage({ answer: { kind: "crash", error: lastLine(error) } });
  }
};

// Of a Python traceback only its last line says what went wrong.
function lastLine(error) {
  const lines = String(error?.message ?? error)
    .trim()
    .split("\n");
  return lines[lines.length - 1];
}
