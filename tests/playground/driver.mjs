// Does in Chromium what the tests ask for: a request a line on standard input, as JSON, an answer a
// line on standard output. Tests hold what comes back to the host; nothing is judged here.
//
//     node driver.mjs NODE-FOLDER CHROMIUM
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

const [folder, executablePath] = process.argv.slice(2);
const { chromium } = createRequire(path.join(folder, "package.json"))("playwright-core");
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATIENCE = 20_000;

const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS });
const windows = []; // { page, seen, touch }: what it asked for, what its console says, fingers

const actions = {
  // Gives the number of the window, which all other actions take as `window`.
  async open({ url, width, height, scheme, isPhone, isLate }) {
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      isMobile: isPhone,
      hasTouch: isPhone,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const seen = { requests: [], console: [] };
    page.on("request", (request) => seen.requests.push(request.url()));
    page.on("console", (message) => seen.console.push(message.text()));
    page.on("pageerror", (error) => seen.console.push(String(error)));
    if (isLate) await page.addInitScript(startLate);
    const touch = isPhone ? await context.newCDPSession(page) : null;
    await page.goto(url);
    return windows.push({ page, seen, touch }) - 1;
  },

  close: ({ page }) => page.context().close(),

  evaluate: ({ page, code }) => page.evaluate(code),
  click: ({ page, selector }) => page.click(selector),
  choose: ({ page, selector, value }) => page.selectOption(selector, value),
  fill: ({ page, selector, value }) => page.fill(selector, value),
  press: ({ page, key }) => page.keyboard.press(key),
  focus: ({ page, selector }) => page.focus(selector),
  files: ({ page, selector, files }) => page.setInputFiles(selector, files),
  screenshot: ({ page, file }) => page.screenshot({ path: file, fullPage: true }),
  seen: ({ seen }) => seen,

  // Strokes of points from 0 to 1 over an element.
  async draw({ page, touch, selector, strokes }) {
    await page.$eval(selector, (element) => element.scrollIntoView({ block: "center" }));
    const box = await page.locator(selector).boundingBox();
    const at = ([x, y]) => ({ x: box.x + x * box.width, y: box.y + y * box.height });
    for (const stroke of strokes) {
      if (touch) await fingerStroke(touch, stroke.map(at));
      else await mouseStroke(page, stroke.map(at));
    }
  },

  // What a click offers as a file.
  async download({ page, selector }) {
    const offered = page.waitForEvent("download");
    await page.click(selector);
    const download = await offered;
    return { name: download.suggestedFilename(), path: await download.path() };
  },
};

// In the page: the worker's first message, which starts MicroPython, takes a second to arrive.
function startLate() {
  const send = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (...message) {
    Worker.prototype.postMessage = send;
    setTimeout(() => this.postMessage(...message), 1000);
  };
}

async function mouseStroke({ mouse }, points) {
  await mouse.move(points[0].x, points[0].y);
  await mouse.down();
  for (const { x, y } of points) await mouse.move(x, y);
  await mouse.up();
}

async function fingerStroke(touch, points) {
  const send = (type, touchPoints) => touch.send("Input.dispatchTouchEvent", { type, touchPoints });
  await send("touchStart", [points[0]]);
  for (const point of points) await send("touchMove", [point]);
  await send("touchEnd", []);
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    const given = { ...windows[request.window], ...request };
    answer = { value: (await actions[request.action](given)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
