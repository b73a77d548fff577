// The canvas that one draws on, with mouse, finger or pen: strokes as lists of points.

const SIZE = 320; // its own units, whatever its size on the screen
const NEAR = 2; // points that are nearer to the last one are left out

export class Drawing {
  // changed(): after each stroke, and after clear() and undo().
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.changed = changed;
    this.strokes = [];
    this.picture = null; // a picture that was loaded
    this.isOnPicture = false; // strokes are drawn on it; else the first of them takes its place
    this.current = null;
    canvas.width = canvas.height = SIZE;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => this.#up());
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  get isEmpty() {
    return !this.strokes.length && !this.picture;
  }

  clear() {
    this.strokes = [];
    this.picture = null;
    this.draw();
  }

  undo() {
    if (!this.strokes.pop()) this.picture = null;
    this.draw();
    this.changed();
  }

  // Show a picture (an ImageBitmap) in place of what was drawn.
  show(picture) {
    this.strokes = [];
    this.picture = picture;
    this.draw();
  }

  // Grey or coloured pixels 0 to 255 [height, width, channels], scaled to that size. Paper is 0 and
  // ink 255 if `isLightOnDark`, else the other way round.
  pixels(height, width, channels, isLightOnDark) {
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const [paper, ink] = isLightOnDark ? ["#000", "#fff"] : ["#fff", "#000"];
    context.fillStyle = paper;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    if (this.picture) context.drawImage(this.picture, 0, 0, width, height);
    context.scale(width / SIZE, height / SIZE);
    this.#lines(context, ink);
    const rgba = context.getImageData(0, 0, width, height).data;
    const pixels = new Uint8Array(height * width * channels);
    for (let i = 0; i < height * width; i++) {
      const [r, g, b] = rgba.subarray(4 * i, 4 * i + 3);
      if (channels === 3) pixels.set([r, g, b], 3 * i);
      else pixels[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    }
    return pixels;
  }

  draw() {
    const colours = getComputedStyle(this.canvas);
    this.context.clearRect(0, 0, SIZE, SIZE);
    if (this.picture) this.context.drawImage(this.picture, 0, 0, SIZE, SIZE);
    this.#lines(this.context, colours.color);
  }

  #lines(context, ink) {
    context.strokeStyle = ink;
    context.lineWidth = 22;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(...stroke[0]);
      for (const point of stroke.length === 1 ? stroke : stroke.slice(1)) context.lineTo(...point);
      context.stroke();
    }
  }

  #down(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    if (!this.isOnPicture) this.picture = null;
    this.current = [this.#at(event)];
    this.strokes.push(this.current);
    this.draw();
  }

  #move(event) {
    if (!this.current) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const [x, y] = this.#at(each);
      const [lastX, lastY] = this.current[this.current.length - 1];
      if (Math.hypot(x - lastX, y - lastY) >= NEAR) this.current.push([x, y]);
    }
    this.draw();
  }

  #up() {
    if (!this.current) return;
    this.current = null;
    this.changed();
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * SIZE,
      ((event.clientY - box.top) / box.height) * SIZE,
    ];
  }
}
