import { afterAll, beforeAll, describe, expect, test } from "vitest";
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
import { type Stage, setStage } from "./stage.ts";

/** What people, and who means them ill, may put into names. */
const NAMES = [
  "<img src=x onerror=\"document.title='taken'\">",
  "</script><script>document.title='taken'</script>",
  "\u202Egnp.exe\u202C \u2067right to left\u2069",
  "n".repeat(1000),
  "line\nbreak\u0000 and\ttab",
  "\u{1F9EA}".repeat(50),
  "' \" ` ; -- {{x}} #{x} javascript:alert(1)",
];

describe.skipIf(browserMissing)("names that nobody means well", () => {
  let stage: Stage;
  const briefs = NAMES.map((name, number) =>
    madeBrief(number + 1, {
      name,
      reason: name,
      state: "failed",
      tags: { [name]: name },
      sinks: [
        madeSink({
          spec: name,
          lastError: name,
          notes: [name],
          remoteUrl: "javascript:document.title='taken'",
        }),
      ],
      headline: { key: name, step: 1, value: "NaN" },
    }),
  );
  const runs = briefs.map((brief) =>
    withMetrics(madeRun(brief, { config: { [brief.name]: brief.name } }), NAMES),
  );

  beforeAll(async () => {
    const [hash, before] = [hashOf("b"), hashOf("a")];
    const tags = NAMES;
    const moves = NAMES.map((name) => ({ ...madeMove(2, hash, before), actor: name, reason: name }));
    const letters = NAMES.map((name, id) => ({
      id,
      runId: runId(1),
      spec: name,
      kind: name,
      points: 1,
      reason: name,
      atUs: 1,
    }));
    stage = await setStage({
      "pipekit/runs": () => ({ runs: briefs, nextPageToken: "", total: briefs.length }),
      "pipekit/run": ({ runId: wanted }) => runs.find(({ runId }) => runId === wanted) as never,
      "pipekit/metrics": ({ runId, keys = [] }) => ({
        runId,
        series: keys.map((key) => madePoints(key, [1, 2])),
      }),
      "pipekit/models": () => ({
        models: [madeModel(hash, { operator: NAMES[0] as string, tags })],
        nextPageToken: "",
        total: 1,
      }),
      "pipekit/model": () =>
        madeModel(hash, {
          operator: NAMES[1] as string,
          tags,
          metadata: NAMES,
          trainingConfig: { a: NAMES },
        }),
      "pipekit/tagHistory": () => ({ moves, nextPageToken: "" }),
      "pipekit/deadLetters": () => ({ deadLetters: letters, more: false }),
    });
  });

  afterAll(() => stage[Symbol.asyncDispose]());

  const places = [
    "#/runs",
    ...NAMES.map((_, number) => `#/run/${runId(number + 1)}`),
    `#/compare/${NAMES.map((_, number) => runId(number + 1)).join(",")}`,
    "#/models",
    `#/model/${hashOf("b")}`,
    ...NAMES.map((name) => `#/tag/${encodeURIComponent(name)}`),
    "#/dead-letters",
  ];

  test.each(places.map((place) => [place.slice(0, 40), place]))(
    "are text and nothing else at %s",
    async (_, place) => {
      const { page } = stage;
      await stage.open(place);
      await page.locator("main h1").waitFor();
      await expect.poll(() => page.locator(".waiting").count()).toBe(0);
      for (const details of await page.locator("details:not([open]) > summary").all()) await details.click();
      const made = "document.querySelectorAll('main img, main script, main iframe').length";
      expect(await page.evaluate(made)).toBe(0);
      expect(await page.locator("a[href^='javascript']").count()).toBe(0);
      expect(await page.title()).not.toBe("taken");
      // A name of any length makes the page no wider than the window.
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(await page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")).toBe(true);
    },
  );
});
