// Many test images against what TensorFlow Lite Micro recorded: output bytes and CRC32s.
import { byId, duration, el, fromHex, number } from "./dom.js";
import { largest } from "./outputs.js";
import { quantiseInk } from "./preprocess.js";

const COUNTS = [25, 100];

// What differs between an answer and the record of a test image.
export function compareWithRecord(examples, index, answer) {
  const output = fromHex(answer.outputs[0]);
  const wanted = examples.outputs.subarray(10 * index, 10 * index + 10);
  const sums = answer.ops.flatMap((op) => op.written.map(([, crc]) => crc >>> 0));
  // A model that memory passes have cut into pieces has others; its outputs are the same.
  const checks = sums.length === examples.checks ? examples.checks : 0;
  const first = examples.checks * index;
  const recorded = examples.crcs.subarray(first, first + checks);
  return {
    bytes: wanted.length,
    differingBytes: wanted.reduce((n, byte, i) => n + (byte !== output[i]), 0),
    crcs: checks,
    differingCrcs: recorded.reduce((n, crc, i) => n + (crc !== sums[i]), 0),
    says: largest(new Int8Array(output.buffer)),
    is: examples.labels[index],
  };
}

export function fillCounts(examples) {
  for (const count of [...COUNTS, examples.count]) {
    byId("many").append(el("option", { value: count }, `${count} test images`));
  }
}

// Run the first `count` test images. Gives sums, or null where it was stopped.
export async function checkMany(engine, facts, examples, count, hears) {
  const sums = { images: 0, right: 0, bytes: 0, differingBytes: 0, crcs: 0, differingCrcs: 0 };
  const took = [];
  for (let index = 0; index < count; index++) {
    const ink = examples.images.subarray(64 * index, 64 * index + 64);
    const answer = await engine.run([quantiseInk(ink, facts.inputs[0])], false);
    if (answer.error) return { ...sums, error: answer.error };
    const found = compareWithRecord(examples, index, answer);
    sums.images++;
    sums.right += found.says === found.is;
    for (const key of ["bytes", "differingBytes", "crcs", "differingCrcs"]) sums[key] += found[key];
    took.push(answer.ops.reduce((us, op) => us + op.us, 0));
    hears(sums.images, count);
  }
  took.sort((a, b) => a - b);
  return { ...sums, median: took[took.length >> 1] };
}

export function checkText(sums, examples) {
  const differ = sums.differingBytes + sums.differingCrcs;
  return (
    `${number(sums.images)} images, ${number(sums.right)} read right. Against ${examples.runtime}: ` +
    `${number(sums.bytes)} output bytes, ${number(sums.differingBytes)} differ; ` +
    `${number(sums.crcs)} CRC32s of what ops wrote, ${number(sums.differingCrcs)} differ. ` +
    (differ ? "NOT EQUAL." : "Equal.") +
    (sums.median ? ` Median ${duration(sums.median)} an image.` : "")
  );
}
