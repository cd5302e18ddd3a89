// Each view in Chromium, in light, dark and narrow: no error, nothing from elsewhere, no violation that axe finds.
import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import assert from "node:assert/strict";

const base = process.argv[2];
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const pictures = new URL("../../screenshots/", import.meta.url).pathname;
mkdirSync(pictures, { recursive: true });

const instance = encodeURIComponent("MyApp.Plugins");
const views = {
  overview: [`/?instance=${instance}`, ".plugin"],
  plugins: [`/plugins?instance=${instance}`, "td .badge"],
  plugin: [`/plugin?instance=${instance}&id=%3Asearch`, "td time[title]"],
  graph: [`/graph?instance=${instance}`, "svg.graph rect"],
  points: [`/points?instance=${instance}`, "td .badge.bad"],
  trace: [`/trace?instance=${instance}&point=%3Ahandle_request`, ".stream li:nth-child(4)"],
  events: [`/events?instance=${instance}`, ".stream li:nth-child(4)"],
  packages: [`/packages?instance=${instance}`, ".empty"],
  cluster: [`/cluster?instance=${instance}`, ".empty"],
};

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  for (const [look, options] of Object.entries({
    light: { colorScheme: "light", viewport: { width: 1200, height: 760 } },
    dark: { colorScheme: "dark", viewport: { width: 1200, height: 760 } },
    narrow: { colorScheme: "light", viewport: { width: 380, height: 760 } },
  })) {
    // axe is put into the page as a script, which the page's policy rightly forbids to all others.
    const context = await browser.newContext({ ...options, bypassCSP: true });
    for (const [name, [path, there]] of Object.entries(views)) {
      const page = await context.newPage();
      const problems = [];
      page.on("pageerror", (error) => problems.push(String(error)));
      page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
      page.on("request", (request) => request.url().startsWith(base) || problems.push(`asks ${request.url()}`));
      await page.goto(base + path);
      await page.waitForSelector(there, { timeout: 20000 });
      if (name === "points") {
        await page.waitForFunction(() => /\/s$/.test(document.querySelector("[data-rate]").textContent));
        await page.waitForSelector("[data-chart] canvas", { timeout: 20000 });
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name} ${look} is ${wide} pixels wider than the screen`);
      assert.deepEqual(problems, [], `${name} ${look}`);
      await page.addScriptTag({ path: axe });
      const { violations } = await page.evaluate(() => window.axe.run());
      const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(" ")}`);
      assert.deepEqual(found, [], `${name} ${look} by axe`);
      if (look === "light" && ["overview", "points", "trace", "graph"].includes(name)) await page.screenshot({ path: `${pictures}${name}.png` });
      if (look === "dark" && name === "overview") await page.screenshot({ path: `${pictures}${name}-dark.png` });
      await page.close();
    }
    console.log(`${look}: ${Object.keys(views).length} views`);
    await context.close();
  }

  const page = await browser.newPage();
  await page.goto(base + "/plugins");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  console.log("keyboard: the first stop skips to the content");
} finally {
  await browser.close();
}
