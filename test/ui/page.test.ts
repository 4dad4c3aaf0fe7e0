/** The page in a real browser, served by a real `pkx ui`, before a real daemon. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { type Client, connect } from "@pipekit/experiment";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { browserMissing, openBrowser, type TestBrowser } from "../support/browser.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { type ServedUi, startUi } from "./served.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PYTHON = resolve(ROOT, ".venv/bin/python");
/** Logs a value for each line that it reads. */
const TRAINING = `
import sys
import pipekit_experiment as pe
with pe.start_run("in-python") as run:
    print(run.run_id, flush=True)
    for step, line in enumerate(sys.stdin):
        run.log({"loss": float(line)}, step)
`;
const RUNS = 1000;
const POINTS = 100_000;
const WAIT = { timeout: 15_000 };

describe.skipIf(browserMissing)("the page", () => {
  let daemon: TestDaemon;
  let client: Client;
  let ui: ServedUi;
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    daemon = await startDaemon();
    client = await connect({ env: daemon.clientEnv });
    [ui, browser] = await Promise.all([startUi(daemon), openBrowser()]);
    page = await browser.newPage();
    await page.goto(ui.address);
    // The address leads on to the page by itself; until it has, that would undo what a test does.
    await page.locator("h1").waitFor(WAIT);
  });

  afterAll(async () => {
    await page.close();
    await ui[Symbol.asyncDispose]();
    client.close();
    await daemon.stop();
    rmSync(daemon.home, { recursive: true, force: true });
    // Last, for it throws what the browser saw.
    await browser.close();
  });

  const open = (route: string) => page.goto(`${ui.origin}/${route}`);
  const chart = (key: string) => page.locator(`figure[data-metric="${key}"]`);
  /** Last, min, max and number of points of a chart, in words. */
  const summary = (figure: Locator) => figure.locator("table tbody td").allTextContents();

  test("a run appears and moves while a Python process logs", async () => {
    await open("#/runs");
    const child = spawn(PYTHON, ["-c", TRAINING], {
      env: { ...process.env, ...daemon.clientEnv },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    const { value: runId } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    const link = page.getByRole("link", { name: "in-python" });
    await link.waitFor(WAIT);
    child.stdin.write("0.5\n");
    await link.click();
    expect(page.url()).toBe(`${ui.origin}/#/run/${runId}`);
    await expect.poll(() => summary(chart("loss")), WAIT).toEqual(["0.5", "0.5", "0.5", "1"]);
    child.stdin.write("0.25\n");
    await expect.poll(() => summary(chart("loss")), WAIT).toEqual(["0.25", "0.25", "0.5", "2"]);
    child.stdin.end();
    await ended;
    await page.getByText("completed").first().waitFor(WAIT);
  });

  test("the bundle brings the page with it", async () => {
    await using bundled = await startUi(daemon, [], resolve(ROOT, "daemon/dist/pkx.mjs"));
    const other = await browser.newPage();
    await other.goto(bundled.address);
    await other.getByRole("grid", { name: "Runs" }).getByText("in-python").waitFor(WAIT);
    await other.close();
  });

  test("promotes only what the person has confirmed, and not over somebody else's move", async () => {
    const registry = client.registry();
    const [old = "", fresh = "", other = ""] = await Promise.all(
      [1, 2, 3].map(async (version) => {
        const operator = { module: "test", class: "Served", config: { version } };
        return (await registry.store({ operator })).model.hash;
      }),
    );
    await registry.tag(old, "production");
    const dialog = page.getByRole("dialog");
    const ask = async (ref: string) => {
      await page.getByRole("button", { name: "Promote another model" }).click(WAIT);
      await dialog.getByLabel("Model").fill(ref);
      await dialog.getByRole("button", { name: "Continue" }).click();
      await dialog.getByText("Will point to").waitFor(WAIT);
    };
    await open("#/tag/production");
    await ask(fresh);
    const question = await dialog.textContent();
    expect([old, fresh].map((hash) => question?.includes(hash.slice(0, 8)))).toEqual([true, true]);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached", ...WAIT });
    expect(await registry.resolve("production")).toBe(old);
    await ask(fresh);
    await dialog.getByLabel("Why").fill("it is better");
    await dialog.getByRole("button", { name: "Promote" }).click();
    await page.getByRole("cell", { name: "it is better" }).waitFor(WAIT);
    expect(await registry.resolve("production")).toBe(fresh);
    await ask(old);
    await registry.tag(other, "production", { force: true });
    await dialog.getByRole("button", { name: "Promote" }).click();
    await dialog.getByText("Somebody moved production while you looked at it").waitFor(WAIT);
    expect(await registry.resolve("production")).toBe(other);
    await page.keyboard.press("Escape");
  });

  test("a daemon that dies and comes back is told, and no point is missing or doubled", async () => {
    const run = await client.startRun({ name: "outlives" });
    for (let step = 0; step < 100; step++) run.log({ loss: step }, step);
    await run.flush();
    await open(`#/run/${run.runId}`);
    await expect.poll(() => summary(chart("loss")), WAIT).toEqual(["99", "0", "99", "100"]);
    const banner = page.locator(".banner");
    expect(await banner.isVisible()).toBe(false);
    await daemon.kill9();
    await banner.waitFor({ state: "visible", ...WAIT });
    expect(await summary(chart("loss"))).toEqual(["99", "0", "99", "100"]);
    for (let step = 100; step < 150; step++) run.log({ loss: step }, step);
    daemon = await startDaemon({ home: daemon.home });
    await banner.waitFor({ state: "hidden", ...WAIT });
    await expect.poll(() => summary(chart("loss")), WAIT).toEqual(["149", "0", "149", "150"]);
    run.log({ loss: 200 }, 150);
    await expect.poll(() => summary(chart("loss")), WAIT).toEqual(["200", "0", "200", "151"]);
    await run.end("completed");
  });

  test("a thousand runs and a metric of 100,000 points are there", async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, writer) => {
        for (let number = writer; number < RUNS; number += 20) {
          const run = await client.startRun({ name: `many-${number}` });
          await run.end("completed");
        }
      }),
    );
    const long = await client.startRun({ name: "long" });
    for (let step = 0; step < POINTS; step++) long.log({ loss: Math.sin(step / 1000) }, step);
    await long.end("completed");
    await open("#/runs");
    const list = page.getByRole("grid", { name: "Runs" });
    await expect
      .poll(async () => Number(await list.getAttribute("aria-rowcount")), WAIT)
      .toBeGreaterThan(RUNS);
    expect(await list.getByRole("row").count()).toBeLessThan(100);
    await list.focus();
    await page.keyboard.press("End");
    await list.getByText("in-python").waitFor(WAIT);
    await open(`#/run/${long.runId}`);
    await chart("loss").and(page.locator("[data-drawn]")).waitFor(WAIT);
    expect((await summary(chart("loss")))[3]).toBe("100,000");
  });
});
