import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import { hashOf, madeModel, madeMove, runId } from "./made-up.ts";
import { type RunsStage, stageOfRuns } from "./runs-stage.ts";

describe.skipIf(browserMissing)("other places of the page", () => {
  let stage: RunsStage;

  beforeAll(async () => {
    stage = await stageOfRuns();
  });

  beforeEach(() => stage.begin());

  afterAll(() => stage[Symbol.asyncDispose]());

  test("models, a model and its tag; a tag goes back only when that is confirmed", async () => {
    const { page, answers, asked } = stage;
    const [now, before] = [hashOf("b"), hashOf("a")];
    let moves = [madeMove(2, now, before), madeMove(1, before, "")];
    answers["pipekit/models"] = () => ({
      models: [madeModel(now, { tags: ["production"] })],
      nextPageToken: "",
      total: 1,
    });
    answers["pipekit/model"] = ({ ref }) => madeModel(ref, { tags: ["production"], runId: runId(3) });
    answers["pipekit/tagHistory"] = () => ({ moves, nextPageToken: "" });
    answers["pipekit/rollback"] = () => {
      moves = [madeMove(3, before, now), ...moves];
      stage.tell("pipekit/tagMoved", { registry: "", moves: moves.slice(0, 1) });
      return { move: moves[0] as never };
    };
    await page.getByRole("link", { name: "Models" }).click();
    await page.getByRole("link", { name: now.slice(0, 12) }).click();
    await page.getByText("shop.Classifier").waitFor();
    await page.getByRole("link", { name: runId(3) }).waitFor();
    await page.getByRole("link", { name: "production" }).click();
    await page.getByRole("button", { name: "Roll back" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Will point to").waitFor();
    expect(asked.some(({ method }) => method === "pipekit/rollback")).toBe(false);
    await dialog.getByLabel("Why").fill("it was better");
    await dialog.getByRole("button", { name: "Roll back" }).click();
    await page.getByRole("cell", { name: "move 3" }).waitFor();
    const sent = asked.find(({ method }) => method === "pipekit/rollback")?.params;
    expect(sent).toEqual({ registry: "", tag: "production", expectedHash: now, reason: "it was better" });
  });

  test("dead letters are told with their reason, and sent once more after a question", async () => {
    const { page, answers } = stage;
    let left = [
      { id: 1, runId: runId(3), spec: "mlflow", kind: "metrics", points: 2, reason: "bad key", atUs: 1 },
    ];
    answers["pipekit/deadLetters"] = () => ({ deadLetters: left, more: false });
    answers["pipekit/redrive"] = () => {
      left = [];
      return { taken: 1, refused: 0, waiting: 0 };
    };
    await page.getByRole("link", { name: "Dead letters" }).click();
    await page.getByRole("cell", { name: "bad key" }).waitFor();
    await page.getByRole("button", { name: "Send those of run 3" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
    await page.getByText("1 taken, 0 refused again").waitFor();
    await page.getByText("There are no dead letters").waitFor();
  });

  test("a daemon that is away is told on top, and what is known stays", async () => {
    const { page } = stage;
    await stage.openRun(3);
    stage.tell("pipekit/daemonStatus", {
      ...(await stage.answers["pipekit/daemon"]?.({})),
      state: "unavailable",
      message: "No daemon answers.",
      mend: "Run `pkx status`.",
    } as never);
    await page.locator(".banner").getByText("Run `pkx status`.").waitFor();
    expect(await stage.summary("loss")).toEqual(["0", "0", "100", "101"]);
    stage.tell("pipekit/daemonStatus", (await stage.answers["pipekit/daemon"]?.({})) as never);
    await page.locator(".banner").waitFor({ state: "hidden" });
  });

  test("a run that is not there is told with what to do, and tried again on demand", async () => {
    const { page, answers } = stage;
    const known = answers["pipekit/run"];
    delete answers["pipekit/run"];
    await stage.open(`#/run/${runId(3)}`);
    await page.getByRole("alert").getByText("Ask something else.").waitFor();
    answers["pipekit/run"] = known as never;
    await page.getByRole("button", { name: "Try again" }).click();
    await stage.chart("loss").waitFor();
  });

  test("no place and no runs are told with the next step", async () => {
    await stage.open("#/nowhere");
    await stage.page.getByRole("link", { name: "Show the runs" }).waitFor();
    stage.answers["pipekit/runs"] = () => ({ runs: [], nextPageToken: "", total: 0 });
    await stage.page.reload();
    await stage.open("#/runs");
    await stage.page.getByText("pe.start_run").waitFor();
  });
});
