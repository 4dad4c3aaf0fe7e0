/** The page of `pkx ui` in chromium: from Python's log() to the screen, the first chart, scrolling. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Page } from "playwright-core";
import { z } from "zod";
import { ROOT } from "../../e2e/demo/processes.ts";
import { openBrowser } from "../../support/browser.ts";
import { type Figure, median } from "../report.ts";
import { type EditorPlace, LONG_POINTS, PKX, THOUSAND } from "./place.ts";
import { firstDrawMs, framesWhileScrolling, PROBE, pointsDrawn } from "./probe.ts";
import { figureOf } from "./timing.ts";

const LIVE_POINTS = 200;
const PACE_MS = 50;
const SEEN_MS = 200;
const OPENINGS = 5;

const Address = z.object({ url: z.url() });
const LogTimes = z.record(z.string(), z.number());

/** `pkx ui` from the bundle; its address. */
async function startUi(env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, [PKX, "ui", "--json"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  return {
    address: Address.parse(JSON.parse(String(line))).url,
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    },
  };
}

export async function pageFigures(place: EditorPlace): Promise<Figure[]> {
  await using ui = await startUi(place.env);
  await using browser = await openBrowser();
  await browser.context.addInitScript(PROBE);
  const page = await browser.newPage();
  await page.goto(ui.address);
  const scrolling = [await scrolled(page, THOUSAND), await scrolled(page, "")];
  const opening = await opened(page, place.longRun);
  const latency = await logged(page, place.env);
  return [
    figureOf(
      `log() in Python to the point drawn in the open page, p50 / p99`,
      latency,
      `p50 <= ${SEEN_MS} ms`,
      SEEN_MS,
    ),
    {
      name: `page opened to the first chart, ${LONG_POINTS.toLocaleString("en-US")} points, median of ${OPENINGS}`,
      ours: `${median(opening).toFixed(0)} ms`,
      peer: "",
      ratio: "",
      goal: "",
      met: undefined,
    },
    ...scrolling,
  ];
}

/** Scrolls the runs whose name contains the text. */
async function scrolled(page: Page, text: string): Promise<Figure> {
  await page.getByRole("searchbox", { name: "Filter runs" }).fill(text);
  const count = page.locator(".count");
  // The list is read page by page, the oldest runs last.
  await count.filter({ hasText: text === "" ? /^\d+,\d+ runs,/ : /^1,000 runs of/ }).waitFor();
  const runs = /^[\d,]+/.exec((await count.textContent()) ?? "")?.[0];
  const { perSecond, longestMs } = await framesWhileScrolling(page);
  return {
    name: `scrolling the list of ${runs} runs: frames a second, longest frame`,
    ours: `${perSecond.toFixed(0)}/s, ${longestMs.toFixed(0)} ms`,
    peer: "",
    ratio: "",
    goal: "",
    met: undefined,
  };
}

async function opened(page: Page, runId: string): Promise<number[]> {
  const times: number[] = [];
  await page.goto(`${new URL(page.url()).origin}/#/run/${runId}`);
  for (let opening = 0; opening < OPENINGS; opening++) {
    await page.reload();
    times.push(await firstDrawMs(page));
  }
  return times;
}

async function logged(page: Page, env: NodeJS.ProcessEnv): Promise<number[]> {
  const script = join(import.meta.dirname, "../python/live.py");
  const child = spawn(join(ROOT, ".venv/bin/python"), [script, String(LIVE_POINTS), String(PACE_MS)], {
    env,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const runId = String((await lines.next()).value);
  await page.goto(`${new URL(page.url()).origin}/#/run/${runId}`);
  await page.reload();
  await firstDrawMs(page);
  child.stdin.end("go\n");
  const times = LogTimes.parse(JSON.parse(String((await lines.next()).value)));
  const drawn = await pointsDrawn(page, LIVE_POINTS);
  return Object.entries(times).map(
    ([step, loggedAtUs]) => (drawn.get(Number(step)) ?? Number.NaN) - loggedAtUs / 1000,
  );
}
