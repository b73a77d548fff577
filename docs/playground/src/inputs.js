// Where the model's inputs come from: a drawing, a picture, the pixels, a test image, a file of
// numbers, random numbers. Each change makes the bytes of one input and says so.
import { Drawing } from "./drawing.js";
import { byId, el } from "./dom.js";
import { Pixels } from "./pixels.js";
import {
  bytesOfPixels,
  inkFromBitmap,
  inkFromStrokes,
  inkOfGrey,
  pictureShape,
  quantise,
  quantiseInk,
} from "./preprocess.js";
import { realOf } from "./outputs.js";
import { readInput, shapeText, values } from "./tensors.js";

const PICTURE_SIDE = 256; // a picture that a digit is looked for in is brought to this size
const MOST_BYTES = 32 << 20;
const MOST_TYPED = 16; // elements of an input whose real values can be typed

export class Inputs {
  // changed(): the bytes are others. examples: the digits model's test images.
  constructor(examples, changed) {
    this.examples = examples;
    this.changed = changed;
    this.bytes = null; // of each input
    this.example = null; // number of the test image that they are, or null
    this.which = 0; // the input that buttons are for
    this.seed = 1;
    this.drawing = new Drawing(byId("canvas"), () => this.#drawn());
    this.pixels = new Pixels(byId("pixels"), (ink) => this.#ink(ink, "changed by hand"));
    this.#wire();
  }

  // Another model: start with its first test image, or with random numbers.
  forModel(facts, isDigits) {
    const isEarly = !this.facts && !this.drawing.isEmpty; // drawn while MicroPython started
    this.facts = facts;
    this.isDigits = isDigits;
    this.which = 0;
    this.bytes = facts.inputs.map((input) => new Uint8Array(input.nbytes));
    if (!isEarly) this.drawing.clear();
    this.drawing.isOnPicture = !isDigits;
    byId("light").checked = false;
    this.shape = pictureShape(facts.inputs[0]);
    const canDraw = isDigits || this.shape;
    const show = (id, visible) => (byId(id).hidden = !visible);
    show("draw-box", canDraw);
    show("hint", canDraw && !isEarly);
    show("pixels", isDigits);
    show("pixels-help", isDigits);
    show("preview", !isDigits && this.shape);
    show("other-inputs", !isDigits);
    show("light-label", this.shape);
    byId("in-verb").textContent = canDraw ? "Draw" : "Input";
    byId("hint").textContent = isDigits ? "Draw a digit here" : "Draw here";
    byId("which").replaceChildren(
      ...facts.inputs.map((input, i) => el("option", { value: i }, `${i}: ${input.name}`)),
    );
    show("which", facts.inputs.length > 1);
    show("which-label", facts.inputs.length > 1);
    if (isEarly) this.#drawn();
    else if (isDigits) this.showExample(0);
    else this.#randomAll();
  }

  showExample(index) {
    const { count, images } = this.examples;
    this.drawing.clear();
    byId("hint").hidden = false;
    const i = (((Math.trunc(index) || 0) % count) + count) % count;
    byId("example").value = i;
    this.#ink(images.subarray(64 * i, 64 * i + 64), `test image ${i}`, i);
  }

  // A picture from a file: the digit in it, or the picture itself scaled. Throws Error with a text.
  async loadPicture(file) {
    if (!this.isDigits && !this.shape) throw new Error("This model takes no picture.");
    let picture;
    try {
      if (file.size > MOST_BYTES) throw new Error("too large");
      picture = await createImageBitmap(file);
    } catch {
      throw new Error(`${file.name} is no picture that this browser reads.`);
    }
    if (!this.isDigits) {
      this.drawing.show(picture);
      byId("hint").hidden = true;
      this.#picture(file.name);
      return;
    }
    const ink = digitIn(picture);
    if (!ink) throw new Error(`${file.name} has no contrast: nothing in it looks like ink.`);
    this.drawing.show(picture);
    byId("hint").hidden = true;
    this.#ink(ink, file.name);
  }

  // Numbers from a file for the input that is chosen. Throws Error with a text.
  async loadNumbers(file) {
    const input = this.facts.inputs[this.which];
    if (file.size > input.nbytes + (1 << 17)) throw new Error(`${file.name} is too large.`);
    const data = readInput(new Uint8Array(await file.arrayBuffer()), file.name, input);
    this.#set(data, file.name);
  }

  // Real values that were typed: as many as the input has elements. Throws Error with a text.
  typed(text) {
    const input = this.facts.inputs[this.which];
    const reals = text
      .split(/[\s,;]+/)
      .filter(Boolean)
      .map(Number);
    const elements = this.#elements();
    if (reals.length !== elements || !reals.every(Number.isFinite)) {
      const many = elements === 1 ? "one number" : `${elements} numbers with commas between`;
      throw new Error(`The input takes ${many}.`);
    }
    const isReal = input.dtype === "float32";
    const data = isReal ? new Uint8Array(Float32Array.from(reals).buffer) : quantise(reals, input);
    this.#set(data, "typed");
  }

  #elements() {
    return this.facts.inputs[this.which].shape.reduce((a, b) => a * b, 1);
  }

  // The field for real values: what the input holds now, where it is small.
  #showTyped() {
    const input = this.facts.inputs[this.which];
    const isByte = ["int8", "uint8"].includes(input.dtype);
    const isReal = isByte && input.quantization_parameters.scales.length > 0;
    const fits = this.#elements() <= MOST_TYPED && (isReal || input.dtype === "float32");
    byId("numbers").hidden = byId("numbers-label").hidden = !fits;
    if (!fits) return;
    const array = values(this.bytes[this.which], input.dtype);
    byId("numbers").value = [...array]
      .map((v) => Number(realOf(input, v).toPrecision(4)))
      .join(", ");
  }

  #wire() {
    byId("clear").addEventListener("click", () => {
      this.drawing.clear();
      this.#drawn();
    });
    byId("undo").addEventListener("click", () => this.drawing.undo());
    const step = (by) => this.showExample(Number(byId("example").value) + by);
    byId("before").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    byId("any").addEventListener("click", () => {
      this.showExample(Math.floor(Math.random() * this.examples.count));
    });
    byId("example").addEventListener("change", () => step(0));
    byId("canvas").addEventListener("pointerdown", () => (byId("hint").hidden = true));
    byId("which").addEventListener("change", () => {
      this.which = Number(byId("which").value);
      this.#showTyped();
    });
    byId("light").addEventListener("change", () => this.#drawn());
    byId("random").addEventListener("click", () => {
      this.seed++;
      this.#set(this.#random(this.which), `random, seed ${this.seed}`);
    });
  }

  #drawn() {
    byId("hint").hidden = !this.drawing.isEmpty;
    const { strokes } = this.drawing;
    if (this.isDigits)
      this.#ink(inkFromStrokes(strokes), strokes.length ? "your drawing" : "nothing");
    else if (this.shape) this.#picture(this.drawing.isEmpty ? "nothing drawn" : "your drawing");
  }

  #ink(ink, what, example = null) {
    this.pixels.show(ink);
    if (!this.facts) return;
    this.which = 0;
    this.#set(quantiseInk(ink, this.facts.inputs[0]), what, example);
  }

  #picture(what) {
    const { height, width, channels } = this.shape;
    const pixels = this.drawing.pixels(height, width, channels, byId("light").checked);
    this.which = 0;
    this.#set(bytesOfPixels(pixels, this.facts.inputs[0].dtype), what);
  }

  #randomAll() {
    this.bytes = this.facts.inputs.map((_, i) => this.#random(i));
    this.#set(this.bytes[0], `random, seed ${this.seed}`);
  }

  // Numbers from the input's whole range; of float32 from -1 to 1. The same from the same seed.
  #random(index) {
    const { nbytes, dtype } = this.facts.inputs[index];
    let state = (this.seed * 2654435761 + index * 40503) >>> 0 || 1;
    const next = () => {
      state ^= state << 13;
      state ^= state >>> 17;
      state = (state ^ (state << 5)) >>> 0;
      return state;
    };
    if (dtype === "float32") {
      return new Uint8Array(
        Float32Array.from({ length: nbytes / 4 }, () => next() / 2 ** 31 - 1).buffer,
      );
    }
    if (dtype === "bool") return Uint8Array.from({ length: nbytes }, () => next() & 1);
    return Uint8Array.from({ length: nbytes }, () => next() >>> 24);
  }

  #set(data, what, example = null) {
    const input = this.facts.inputs[this.which];
    this.bytes[this.which] = data;
    this.example = example;
    byId("input-kind").textContent =
      `Now: ${what}. ${input.name || "input"}: ${input.dtype} ${shapeText(input.shape)}`;
    if (!this.isDigits && this.shape) this.#preview();
    this.#showTyped();
    this.changed();
  }

  #preview() {
    const { height, width, channels } = this.shape;
    const canvas = byId("preview");
    [canvas.width, canvas.height] = [width, height];
    const pixels = bytesOfPixels(this.bytes[0], this.facts.inputs[0].dtype);
    const picture = new ImageData(width, height);
    for (let i = 0; i < height * width; i++) {
      const at = (c) => pixels[channels * i + (channels === 3 ? c : 0)];
      picture.data.set([at(0), at(1), at(2), 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
  }
}

function digitIn(picture) {
  const scale = Math.min(PICTURE_SIDE / picture.width, PICTURE_SIDE / picture.height);
  const width = Math.max(Math.round(picture.width * scale), 1);
  const height = Math.max(Math.round(picture.height * scale), 1);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.fillStyle = "#fff"; // below what is transparent
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  const grey = Uint8Array.from({ length: width * height }, (_, i) =>
    Math.round(0.299 * rgba[4 * i] + 0.587 * rgba[4 * i + 1] + 0.114 * rgba[4 * i + 2]),
  );
  const isInk = inkOfGrey(grey, width, height);
  return isInk && inkFromBitmap(isInk, width, height);
}
