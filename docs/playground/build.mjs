// Builds the page: everything in one index.html, which works from any server, under any path, and
// from a file.
//
//     node build.mjs DATA.json OUTPUT-FOLDER
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const port = path.join(here, "node_modules/@micropython/micropython-webassembly-pyscript");
const [dataFile, output] = process.argv.slice(2);

// One script of a module and all that it imports.
async function bundle(entry, extra = {}) {
  const done = await build({
    entryPoints: [path.join(here, "src", entry)],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    external: ["module", "fs", "path", "url"], // only where the port runs in node
    define: {
      "import.meta.url": '"about:blank"',
      "globalThis.process": "undefined",
      process: "undefined",
    },
    logLevel: "error",
    ...extra,
  });
  return done.outputFiles[0].text;
}

const sha256 = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const inScript = (text) => text.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const read = (file) => readFile(path.join(here, file), "utf8");

const data = JSON.parse(await readFile(dataFile, "utf8"));
const base64 = async (file) => (await readFile(file)).toString("base64");
data.wasm = await base64(path.join(port, "micropython.wasm"));
data.port = JSON.parse(await readFile(path.join(port, "package.json"), "utf8")).version;
data.sources = {};
for (const name of ["lab.py", "lifetimes.py"]) {
  data.sources[name] = await base64(path.join(here, "board", name));
}
data.worker = Buffer.from(await bundle("worker.js", { minify: true })).toString("base64");

const script = inScript(await bundle("main.js"));
const style = await read("style.css");
const policy = [
  "default-src 'none'",
  `script-src ${sha256(script)} 'wasm-unsafe-eval'`,
  `style-src ${sha256(style)}`,
  "worker-src blob:",
  "connect-src blob:", // the port reads its own code from one
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const parts = { policy, style, script, data: JSON.stringify(data) };
const page = (await read("page.html")).replace(/%(policy|style|script|data)%/g, (_, n) => parts[n]);
await mkdir(output, { recursive: true });
await writeFile(path.join(output, "index.html"), page);
console.log(`${path.join(output, "index.html")}: ${page.length.toLocaleString("en")} bytes`);
