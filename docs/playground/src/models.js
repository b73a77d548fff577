// Packed models from files, and what to do about those that are refused.
import { number } from "./dom.js";

const MOST = 16 << 20; // bytes: more than any board holds

// The file's bytes. Throws Error with a text for the user.
export async function readModel(file) {
  if (file.size > MOST) {
    throw new Error(
      `${file.name} has ${number(file.size)} bytes, this page takes models of up to ${number(MOST)}.`,
    );
  }
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} cannot be read: is it a folder?`);
  }
}

const HINTS = [
  [/\.tflite file/, "Pack it: microinterp pack model.tflite -o model.mipk --tier bytecode"],
  [
    /^packed for '/,
    "Pack the .tflite file again: microinterp pack model.tflite -o model.mipk --tier bytecode",
  ],
  [/^packed for format/, "Pack the .tflite file again with the microinterp of this page."],
  [
    /not a packed model/,
    "A packed model is made by: microinterp pack model.tflite -o model.mipk --tier bytecode",
  ],
  [/damaged or cut/, "Copy the file again, or pack it again."],
  [/too wide for the bytecode tier|too much work/, "Boards with bytecode kernels refuse it too."],
];

// What the runtime says of a model or a run, and what to do.
export function whatIsWrong({ kind, error }) {
  if (kind === "crash") return `MicroPython itself failed and was started again: ${error}`;
  if (kind === "memory") return `out of memory: ${error}`;
  const hint = HINTS.find(([pattern]) => pattern.test(error))?.[1];
  return hint ? `${error}.\n${hint}` : error;
}
