/** The way to `pkx ui` breaks. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildPage } from "../../clients/page/build.ts";
import { serveUi } from "../../daemon/ui/index.ts";
import type { View } from "../../daemon/view/index.ts";
import { browserMissing } from "../support/browser.ts";
import { madeBrief, madePoints, madeRun, runId, withMetrics } from "./made-up.ts";
import { type Stage, setStage } from "./stage.ts";

const WAIT = { timeout: 10_000 };
/** More than may wait for a page that does not read. */
const TOO_MUCH = "x".repeat(9 * 2 ** 20);

describe.skipIf(browserMissing)("when the way to pkx ui breaks", () => {
  let stage: Stage;
  let follows = 0;

  beforeEach(async () => {
    follows = 0;
    const live = withMetrics(madeRun(madeBrief(1, { state: "running" })), ["loss"]);
    stage = await setStage({
      "pipekit/runs": () => ({ runs: [live], nextPageToken: "", total: 1 }),
      "pipekit/run": () => live,
      "pipekit/follow": () => {
        follows++;
        const values = Array.from({ length: follows }, (_, index) => index);
        return { follow: `f${follows}`, runId: runId(1), series: [madePoints("loss", values)] };
      },
    });
    stage.browser.allow(
      /ERR_(INCOMPLETE_CHUNKED_ENCODING|CONNECTION_REFUSED|EMPTY_RESPONSE)|401 \(Unauthorized\)/,
    );
    await stage.open(`#/run/${runId(1)}`);
    await expect.poll(points).toBe("1");
  });

  afterEach(() => stage[Symbol.asyncDispose]());

  const points = () => stage.page.locator("figure tbody td").last().textContent();
  const banner = () => stage.page.locator(".banner");

  test("the page comes back and follows anew; points of the old follow count no more", async () => {
    const told = (follow: string) =>
      stage.tell("pipekit/points", {
        follow,
        runId: runId(1),
        series: [madePoints("loss", [9], 9)],
        restart: false,
      });
    for (let count = 0; count < 2; count++) stage.tell("pipekit/tagMoved", { registry: TOO_MUCH, moves: [] });
    await expect.poll(points, WAIT).toBe("2");
    await banner().waitFor({ state: "hidden" });
    told("f1");
    told("f2");
    await expect.poll(points).toBe("3");
  });

  test("a server that was started anew knows the page no more, and the page tells what to do", async () => {
    const { port } = stage.ui;
    await stage.ui.close();
    await banner().getByText("it is tried again").waitFor();
    expect(await points()).toBe("1");
    const again = await serveUi({ view: {} as View, page: await buildPage(), port });
    await banner().getByText("Open the address that `pkx ui` prints").waitFor();
    await again.close();
  });
});
