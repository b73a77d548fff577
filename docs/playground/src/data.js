// What the build has put into the page: MicroPython, the runtime, the digits model, test images.

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
const allBytes = (map) => Object.fromEntries(Object.entries(map).map(([k, v]) => [k, bytesOf(v)]));

export function pageData() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { images, labels, outputs, crcs, ...examples } = data.examples;
  return {
    about: { ...data.about, port: data.port },
    worker: new TextDecoder().decode(bytesOf(data.worker)),
    engine: {
      wasm: bytesOf(data.wasm),
      runtime: allBytes(data.runtime),
      sources: allBytes(data.sources),
    },
    model: bytesOf(data.model),
    examples: {
      ...examples,
      images: bytesOf(images),
      labels: bytesOf(labels),
      outputs: bytesOf(outputs),
      crcs: new Uint32Array(bytesOf(crcs).buffer),
    },
  };
}
