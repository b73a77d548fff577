// The 8x8 image that the model gets, as a grid whose pixels can be changed: with the mouse, or with
// arrows, digits and + - on the keyboard.
import { el } from "./dom.js";

const FULL = 16;

export class Pixels {
  // changed(ink): after each change by hand.
  constructor(grid, changed) {
    this.changed = changed;
    this.ink = new Uint8Array(64);
    this.cells = [...this.ink].map((_, i) => this.#cell(i));
    for (let row = 0; row < 8; row++) {
      grid.append(el("div", { role: "row" }, ...this.cells.slice(8 * row, 8 * row + 8)));
    }
    grid.addEventListener("keydown", (event) => this.#key(event));
    this.show(this.ink);
  }

  show(ink) {
    this.ink = Uint8Array.from(ink);
    this.cells.forEach((_, i) => this.#paint(i));
  }

  #cell(i) {
    const attributes = { role: "gridcell", tabindex: i ? -1 : 0, class: "pixel" };
    const cell = el("div", attributes);
    cell.addEventListener("click", () => {
      this.#set(i, this.ink[i] < FULL / 2 ? FULL : 0);
      this.#focus(i);
    });
    return cell;
  }

  #paint(i) {
    const ink = this.ink[i];
    const cell = this.cells[i];
    cell.textContent = ink || "";
    cell.style.setProperty("--ink", `${(100 * ink) / FULL}%`);
    cell.classList.toggle("inked", ink > FULL / 2);
    const [row, column] = [Math.floor(i / 8) + 1, (i % 8) + 1];
    cell.setAttribute("aria-label", `row ${row}, column ${column}: ink ${ink}`);
  }

  #set(i, ink) {
    this.ink[i] = Math.min(Math.max(ink, 0), FULL);
    this.#paint(i);
    this.changed(this.ink);
  }

  #focus(i) {
    for (const [at, cell] of this.cells.entries()) cell.tabIndex = at === i ? 0 : -1;
    this.cells[i].focus();
  }

  #key(event) {
    const i = this.cells.indexOf(event.target);
    if (i < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = [Math.floor(i / 8), i % 8];
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [row, 0],
      End: [row, 7],
    };
    if (moves[event.key]) {
      const [to, at] = moves[event.key].map((n) => Math.min(Math.max(n, 0), 7));
      this.#focus(8 * to + at);
    } else if (event.key === " " || event.key === "Enter") {
      this.#set(i, this.ink[i] < FULL / 2 ? FULL : 0);
    } else if (event.key === "+" || event.key === "-") {
      this.#set(i, this.ink[i] + (event.key === "+" ? 1 : -1));
    } else if (/^[0-9]$/.test(event.key)) {
      this.#set(i, Math.round((Number(event.key) * FULL) / 9));
    } else return;
    event.preventDefault();
  }
}
