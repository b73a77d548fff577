// Tensors as numbers, as pictures and as .npy files.

const KINDS = {
  int8: { array: Int8Array, npy: "|i1" },
  uint8: { array: Uint8Array, npy: "|u1" },
  bool: { array: Uint8Array, npy: "|b1" },
  int16: { array: Int16Array, npy: "<i2" },
  int32: { array: Int32Array, npy: "<i4" },
  float32: { array: Float32Array, npy: "<f4" },
  int64: { array: BigInt64Array, npy: "<i8" },
};

// Bytes as an array of a type's numbers; types that are not known are shown as bytes.
export function values(data, dtype) {
  const kind = KINDS[dtype] ?? KINDS.uint8;
  const found = new kind.array(data.slice().buffer);
  return kind.array === BigInt64Array ? Float64Array.from(found, Number) : found;
}

export function statistics(array) {
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  for (const value of array) {
    if (value < low) low = value;
    if (value > high) high = value;
    sum += value;
  }
  return { low, high, mean: sum / array.length };
}

export const shapeText = (shape) => {
  const first = shape.findIndex((n) => n !== 1);
  return (first < 0 ? [1] : shape.slice(first)).join("×");
};

// The bytes of a file for an input: .npy of the input's own type and size, or exactly its bytes.
// Throws Error with a text for the user.
export function readInput(data, name, input) {
  if (!name.toLowerCase().endsWith(".npy")) {
    if (data.length !== input.nbytes) {
      throw new Error(`${name} has ${data.length} bytes, the input takes ${input.nbytes}.`);
    }
    return data;
  }
  const magic = String.fromCharCode(...data.slice(1, 6));
  if (data[0] !== 0x93 || magic !== "NUMPY") throw new Error(`${name} is not an .npy file.`);
  const view = new DataView(data.buffer, data.byteOffset);
  const isLong = data[6] >= 2;
  const begin = isLong ? 12 : 10;
  if (data.length < begin) throw new Error(`${name} is cut off.`);
  const end = begin + (isLong ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder("latin1").decode(data.slice(begin, end));
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1];
  const wanted = KINDS[input.dtype]?.npy;
  if (descr !== wanted) {
    throw new Error(`${name} holds '${descr}', the input takes ${input.dtype} ('${wanted}').`);
  }
  if (/'fortran_order': *True/.test(header)) throw new Error(`${name} is in Fortran order.`);
  if (data.length - end !== input.nbytes) {
    throw new Error(`${name} holds ${data.length - end} bytes, the input takes ${input.nbytes}.`);
  }
  return data.slice(end);
}

// The parts of an .npy file.
export function npyParts(data, input) {
  const shape = input.shape.length === 1 ? `${input.shape[0]},` : input.shape.join(", ");
  const text = `{'descr': '${KINDS[input.dtype].npy}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = new TextEncoder().encode(`${text.padEnd(length - 1)}\n`);
  const magic = new Uint8Array([
    0x93,
    0x4e,
    0x55,
    0x4d,
    0x50,
    0x59,
    1,
    0,
    length & 255,
    length >> 8,
  ]);
  return [magic, header, data];
}

const MOST_PIXELS = 4096; // on each side of a picture

// viridis, by nine of its colours.
const RAMP = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [110, 206, 88],
  [253, 231, 37],
];

function colour(share) {
  const at = Math.min(Math.max(share || 0, 0), 1) * (RAMP.length - 1); // NaN is drawn as 0
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  return RAMP[low].map((c, i) => c + (at - low) * (RAMP[low + 1][i] - c));
}

// One picture of channels side by side, a pixel apart; across: how many in a row. A tensor without
// height and width, or too long for a picture, is one strip, wrapped. Gives how many channels it
// shows, `most` at most.
export function drawTensor(canvas, array, shape, most, across) {
  let [, height, width, channels] = shape.length === 4 ? shape : [1, 1, 1, array.length];
  const isStrip = height * width === 1 || Math.max(height, width) > MOST_PIXELS;
  if (isStrip) [height, width, channels] = strip(array.length, most * 8);
  const fit = (side) => Math.max(Math.floor(MOST_PIXELS / (side + 1)), 1);
  const columns = Math.min(channels, across, fit(width));
  const rows = Math.min(Math.ceil(Math.min(channels, most) / columns), fit(height));
  const shown = Math.min(channels, most, rows * columns);
  canvas.width = columns * (width + 1) - 1;
  canvas.height = rows * (height + 1) - 1;
  const { low, high } = statistics(array);
  const picture = new ImageData(canvas.width, canvas.height);
  for (let c = 0; c < shown; c++) {
    const left = (c % columns) * (width + 1);
    const top = Math.floor(c / columns) * (height + 1);
    for (let i = 0; i < height * width; i++) {
      const at = i * channels + c;
      if (at >= array.length) continue;
      const share = high > low ? (array[at] - low) / (high - low) : 0;
      const to = 4 * ((top + Math.floor(i / width)) * canvas.width + left + (i % width));
      picture.data.set([...colour(share), 255], to);
    }
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
  return shown;
}

function strip(length, most) {
  const shown = Math.min(length, most);
  const width = Math.min(shown, 64);
  return [Math.ceil(shown / width), width, 1];
}
