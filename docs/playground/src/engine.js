// The page's side of the worker: one request at a time, with a time limit, and a way to end it.

export class Engine {
  // sources: what the worker needs to start (see data.js); secondsAllowed: for one request.
  constructor(workerText, sources, secondsAllowed = 120) {
    this.workerText = workerText;
    this.sources = sources;
    this.secondsAllowed = secondsAllowed;
    this.model = null; // bytes of the model that is loaded
    this.waiting = null;
    this.stopping = null;
  }

  get isBusy() {
    return this.waiting !== null || this.stopping !== null;
  }

  // Start MicroPython; gives { version }.
  async start() {
    const url = URL.createObjectURL(new Blob([this.workerText], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.worker.onmessage = ({ data }) => this.#hear(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.#answer({ kind: "crash", error: event.message || "the worker did not start" });
    };
    const answer = await this.#ask("start", this.sources);
    URL.revokeObjectURL(url);
    return answer;
  }

  // Load a packed model; gives its facts, or { error, kind }.
  async load(bytes) {
    const facts = await this.#ask("load", { bytes });
    this.model = facts.error ? null : bytes;
    return facts;
  }

  // Run op by op; hears(done) after each op. Gives { ops, sizes, outputs, trace }, or an error.
  run(inputs, values, hears = () => {}) {
    return this.#ask("run", { inputs, values }, hears);
  }

  reset() {
    return this.#ask("reset", {});
  }

  // End what runs; whoever waits for it gets an error of kind "stopped". Then the model is loaded
  // into a fresh MicroPython: its variables are at their start again.
  stop(reason = "Stopped.") {
    this.stopping ??= this.#startAgain(reason).finally(() => (this.stopping = null));
    return this.stopping;
  }

  async #startAgain(reason) {
    const model = this.model;
    this.worker.terminate();
    this.#answer({ kind: "stopped", error: reason });
    const started = await this.start();
    if (model && !started.error) await this.load(model);
  }

  #ask(request, rest, hears = () => {}) {
    if (this.waiting) throw new Error(`asked for ${request} while another request runs`);
    return new Promise((resolve) => {
      const limit = setTimeout(() => {
        const text = `it took more than ${this.secondsAllowed} seconds.`;
        if (request !== "start") this.stop(`Stopped: ${text}`);
        else this.#answer({ kind: "crash", error: `MicroPython does not start: ${text}` });
      }, 1000 * this.secondsAllowed);
      this.waiting = { resolve, hears, limit };
      this.worker.postMessage({ request, ...rest });
    });
  }

  #hear(data) {
    if (data.progress) this.waiting?.hears(data.progress);
    else this.#answer(data.answer);
  }

  #answer(answer) {
    const waiting = this.waiting;
    if (!waiting) return;
    clearTimeout(waiting.limit);
    this.waiting = null;
    waiting.resolve(answer);
  }
}
