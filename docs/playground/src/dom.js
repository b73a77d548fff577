// Small helpers for the document. Text from models and files only ever becomes text nodes.

export const byId = (id) => document.getElementById(id);

// el("td", { class: "n" }, "text", child): an element.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// The same for SVG.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const number = (value) => value.toLocaleString("en-GB");
export const bytes = (count) => `${number(count)} byte${count === 1 ? "" : "s"}`;
export const hex32 = (value) => (value >>> 0).toString(16).padStart(8, "0");
export const hexOf = (data) => Array.from(data, (b) => b.toString(16).padStart(2, "0")).join("");
export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (b) => parseInt(b, 16));

export function duration(us) {
  if (us >= 1e6) return `${(us / 1e6).toFixed(us >= 1e7 ? 0 : 1)} s`;
  if (us >= 1e4) return `${Math.round(us / 1e3)} ms`;
  return us < 100 ? "< 0.1 ms" : `${(us / 1e3).toFixed(1)} ms`; // browsers' clocks tell no less
}

// Offer bytes as a file.
export function save(name, parts, type = "application/octet-stream") {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
