import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import {
  hashOf,
  madeBrief,
  madeModel,
  madeMove,
  madePoints,
  madeRun,
  madeSink,
  runId,
  withMetrics,
} from "./made-up.ts";
import { setStage } from "./stage.ts";

const run = withMetrics(
  madeRun(madeBrief(1, { sinks: [madeSink({ lastError: "refused", state: "refused" })] })),
  ["loss"],
);
const ANSWERS = {
  "pipekit/runs": () => ({
    runs: [madeBrief(1), madeBrief(2, { state: "failed" }), madeBrief(3, { state: "running" })],
    nextPageToken: "",
    total: 3,
  }),
  "pipekit/run": () => run,
  "pipekit/metrics": () => ({ runId: runId(1), series: [madePoints("loss", [1, 1, 1, 1, 1, "NaN", 2])] }),
  "pipekit/models": () => ({
    models: [madeModel(hashOf("a"), { tags: ["production"] })],
    nextPageToken: "",
    total: 1,
  }),
  "pipekit/tagHistory": () => ({ moves: [madeMove(1, hashOf("a"), "")], nextPageToken: "" }),
} as const;

/** Every text on the page whose colour stands out less than 4.5 to 1 from what is behind it (WCAG 2.2, 1.4.3). */
const FAINT_TEXTS = `(() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour, over) => {
    context.fillStyle = "rgb(" + over.join(",") + ")"; context.fillRect(0, 0, 1, 1);
    context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (c) => c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => element === null ? [255, 255, 255]
    : rgb(getComputedStyle(element).backgroundColor, behind(element.parentElement));
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || !element.checkVisibility() || element.matches(":disabled, noscript")) continue;
    const ground = behind(element);
    const [a, b] = [light(rgb(getComputedStyle(element).color, ground)), light(ground)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(element.className + " " + element.textContent.slice(0, 30) + " " + contrast.toFixed(2));
  }
  return faint;
})()`;

const ground = (page: Page) => page.evaluate("getComputedStyle(document.body).backgroundColor");
/** The strongest colour on the canvas of the first chart that is not grey. */
const LINE_COLOUR = `(() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const counts = new Map();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] !== 255) continue;
    const colour = [...data.slice(i, i + 3)];
    if (Math.max(...colour) - Math.min(...colour) < 40) continue;
    counts.set(colour.join(), (counts.get(colour.join()) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
})()`;

describe.skipIf(browserMissing)("themes", () => {
  test("every text stands out, light, dark and with more contrast; charts change with the theme", async () => {
    await using stage = await setStage(ANSWERS, { colorScheme: "light" });
    const { page } = stage;
    const seen: unknown[] = [];
    for (const place of ["#/runs", `#/run/${runId(1)}`, "#/models", "#/tag/production", "#/nowhere"]) {
      await stage.open(place);
      await expect.poll(() => page.locator(".waiting").count()).toBe(0);
      for (const media of [
        { colorScheme: "light", contrast: "no-preference" },
        { colorScheme: "dark", contrast: "no-preference" },
        { colorScheme: "dark", contrast: "more" },
      ] as const) {
        await page.emulateMedia(media);
        expect(await page.evaluate(FAINT_TEXTS), `${place} ${media.colorScheme} ${media.contrast}`).toEqual(
          [],
        );
        if (place === "#/runs") seen.push(await ground(page));
      }
    }
    expect(new Set(seen).size).toBe(3);
    await page.emulateMedia({ colorScheme: "light", contrast: "no-preference" });
    await stage.open(`#/run/${runId(1)}`);
    await page.locator("[data-drawn]").waitFor();
    await expect.poll(() => page.evaluate(LINE_COLOUR)).toBe("0,99,165");
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(() => page.evaluate(LINE_COLOUR)).toBe("108,182,255");
  });
});
