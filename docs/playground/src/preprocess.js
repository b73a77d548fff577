// From a drawing or a photo to what the digits data set has: 8x8 counts of ink from 0 to 16.
//
// The data set's images are 32x32 bitmaps in which the digit fills the height, of which each block
// of 4x4 pixels is counted. Strokes are brought to that size before they get their thickness, so
// that it does not depend on how large the digit was drawn. A 1 has about as much ink as an 8 in the
// data set: the pen is as wide as that takes, within limits.

const SIDE = 32;
const BLOCK = 4;
const INK = 300; // of 1024 pixels; the data set's means lie between 302 and 329 for each digit
const PENS = { thinnest: 4.2, thickest: 9, step: 0.4 };
const GROWTHS = 3;
const WIDEST = 22; // of 32: the data set's digits leave the outer columns nearly empty
const FLAT = 0.3; // what is not so high for its width, a dash, keeps its form

// strokes: lists of [x, y], in any unit. Gives 64 counts, row by row; all 0 without strokes.
export function inkFromStrokes(strokes) {
  const points = strokes.flat();
  if (!points.length) return new Uint8Array(64);
  const box = bounds(points);
  for (let pen = PENS.thinnest; ; pen += PENS.step) {
    const counts = drawn(strokes, placing(box, pen), pen);
    if (pen >= PENS.thickest || counts.reduce((a, b) => a + b) >= INK) return counts;
  }
}

function drawn(strokes, place, pen) {
  const lines = strokes.flatMap((stroke) => {
    const at = stroke.map(place);
    return at.length === 1 ? [[at[0], at[0]]] : at.slice(1).map((to, i) => [at[i], to]);
  });
  return blocks(bits((x, y) => lines.some(([a, b]) => distance(x, y, a, b) <= pen / 2)));
}

// isInk(x, y) of a bitmap of width x height pixels. Gives 64 counts, as inkFromStrokes.
export function inkFromBitmap(isInk, width, height) {
  const points = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) if (isInk(x, y)) points.push([x, y], [x + 1, y + 1]);
  }
  if (!points.length) return new Uint8Array(64);
  const place = placing(bounds(points), 0);
  const [left, top] = place([0, 0]);
  const [right, bottom] = place([1, 1]);
  const at = (value, zero, one) => (value - zero) / (one - zero);
  // A pixel of the 32x32 bitmap is ink where the better part of 3x3 places in it is.
  const places = [-1 / 3, 0, 1 / 3];
  const bitmap = bits((x, y) => {
    let hits = 0;
    for (const dy of places) {
      for (const dx of places) {
        const px = Math.floor(at(x + dx, left, right));
        const py = Math.floor(at(y + dy, top, bottom));
        if (px >= 0 && py >= 0 && px < width && py < height && isInk(px, py)) hits++;
      }
    }
    return hits >= 5;
  });
  return blocks(grown(bitmap));
}

// Thin lines made thicker, pixel by pixel, while there is much less ink than the data set has.
function grown(bitmap) {
  for (let times = 0; times < GROWTHS; times++) {
    if (bitmap.reduce((a, b) => a + b) >= INK * 0.8) break;
    const old = bitmap.slice();
    const at = (x, y) => x >= 0 && y >= 0 && x < SIDE && y < SIDE && old[y * SIDE + x];
    bitmap = bitmap.map((_, i) => {
      const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
      return at(x, y) || at(x - 1, y) || at(x + 1, y) || at(x, y - 1) || at(x, y + 1) ? 1 : 0;
    });
  }
  return bitmap;
}

// Which pixels of grey values are ink: the fewer of the two kinds that Otsu's threshold divides
// them into. Gives a function of x, y, or null where the picture has no contrast.
export function inkOfGrey(grey, width, height) {
  const threshold = otsu(grey);
  if (threshold === null) return null;
  let dark = 0;
  for (const value of grey) dark += value <= threshold;
  const inkIsDark = dark * 2 <= width * height;
  return (x, y) => grey[y * width + x] <= threshold === inkIsDark;
}

function otsu(grey) {
  const histogram = new Array(256).fill(0);
  for (const value of grey) histogram[value]++;
  const total = grey.length;
  const sum = histogram.reduce((all, n, value) => all + n * value, 0);
  let [best, threshold, below, belowSum] = [0, null, 0, 0];
  for (let value = 0; value < 255; value++) {
    below += histogram[value];
    belowSum += histogram[value] * value;
    if (!below || below === total) continue;
    const gap = belowSum / below - (sum - belowSum) / (total - below);
    const between = below * (total - below) * gap * gap;
    if (between > best) [best, threshold] = [between, value];
  }
  return threshold;
}

function bounds(points) {
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const low = (list) => list.reduce((a, b) => Math.min(a, b));
  const high = (list) => list.reduce((a, b) => Math.max(a, b));
  return { left: low(xs), right: high(xs), top: low(ys), bottom: high(ys) };
}

// From the drawing's coordinates to the bitmap's; `pen` is left free on all sides.
function placing({ left, right, top, bottom }, pen) {
  const width = right - left;
  const height = bottom - top;
  const [roomX, roomY] = [WIDEST - pen, SIDE - pen];
  const isFlat = height < FLAT * width;
  const perX = width ? roomX / width : Infinity;
  const perY = isFlat ? perX : height ? roomY / height : 0;
  const scaleX = Math.min(perX, perY || 0);
  const middle = SIDE / 2;
  return ([x, y]) => [
    middle + (x - (left + right) / 2) * scaleX,
    middle + (y - (top + bottom) / 2) * perY,
  ];
}

// The 32x32 bitmap of what isInk says of each pixel's middle.
function bits(isInk) {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) =>
    isInk((i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5) ? 1 : 0,
  );
}

function blocks(bitmap) {
  const counts = new Uint8Array(64);
  bitmap.forEach((bit, i) => {
    counts[Math.floor(i / SIDE / BLOCK) * 8 + Math.floor((i % SIDE) / BLOCK)] += bit;
  });
  return counts;
}

function distance(x, y, [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const long = dx * dx + dy * dy;
  const t = long ? Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / long, 0), 1) : 0;
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

// Ink from 0 to 16 as the model's bytes: its real value is ink / 16.
export function quantiseInk(ink, input) {
  return quantise(
    Float64Array.from(ink, (n) => n / 16),
    input,
  );
}

// Real values as an 8-bit input's bytes, as TFLM's QUANTIZE: in float32, halves away from zero.
export function quantise(reals, { quantization_parameters: parameters, dtype }) {
  const [scale, zero] = [parameters.scales[0], parameters.zero_points[0]];
  const [low, high] = dtype === "int8" ? [-128, 127] : [0, 255];
  return Uint8Array.from(reals, (real) => {
    const steps = Math.fround(Math.fround(real) / scale);
    const whole = Math.sign(steps) * Math.round(Math.abs(steps));
    return Math.min(Math.max(whole + zero, low), high) & 255;
  });
}

// Pixels from 0 to 255 as `microinterp run` takes them: 0 is the type's lowest value.
export const bytesOfPixels = (pixels, dtype) =>
  dtype === "int8" ? pixels.map((p) => p ^ 128) : pixels;

// Whether an input can be drawn: one picture of 8-bit pixels, grey or in colours.
export function pictureShape(input) {
  const [batch, height, width, channels] = input.shape;
  const fits = input.shape.length === 4 && batch === 1 && [1, 3].includes(channels);
  if (!fits || !["int8", "uint8"].includes(input.dtype) || height < 4 || width < 4) return null;
  return { height, width, channels };
}
