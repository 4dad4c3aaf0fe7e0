import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserMissing } from "../support/browser.ts";
import { madeBrief, madeRun, runId, withMetrics } from "./made-up.ts";
import { type Stage, setStage } from "./stage.ts";

/** What VS Code puts into a webview: messages go to `sent`, and the state outlasts the page. */
const WEBVIEW = `
  window.sent = [];
  window.acquireVsCodeApi = () => {
    delete window.acquireVsCodeApi;
    return {
      postMessage: (message) => window.sent.push(message),
      getState: () => JSON.parse(sessionStorage.getItem("state") ?? "null"),
      setState: (state) => sessionStorage.setItem("state", JSON.stringify(state)),
    };
  };
  // Before any script of the page.
  document.addEventListener("readystatechange", () => {
    document.body.dataset.route = "#/run/${runId(1)}";
    document.body.className = "vscode-dark";
    document.documentElement.style.setProperty("--vscode-editor-background", "rgb(1, 2, 3)");
  });
`;

interface Sent {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly runId?: string };
  readonly cancel?: number;
}

describe.skipIf(browserMissing)("in a webview", () => {
  let stage: Stage;
  /** Ids of requests that this test has answered. */
  const answered = new Set<number | undefined>();

  beforeAll(async () => {
    stage = await setStage({});
    await stage.browser.context.addInitScript(WEBVIEW);
  });

  beforeEach(async () => {
    await stage.page.evaluate("sessionStorage.clear()");
    answered.clear();
    await reload();
  });

  afterAll(() => stage[Symbol.asyncDispose]());

  const reload = async () => {
    await stage.page.goto("about:blank");
    await stage.page.goto(`http://127.0.0.1:${stage.ui.port}/`);
  };
  const sent = () => stage.page.evaluate("window.sent") as Promise<Sent[]>;
  const post = (message: object) => stage.page.evaluate(`window.postMessage(${JSON.stringify(message)})`);
  /** The request that asks for a method and was not answered, once it is there. */
  const asked = async (method: string) => {
    const found = async () =>
      (await sent()).findLast((message) => message.method === method && !answered.has(message.id));
    await expect.poll(found).toBeDefined();
    return (await found()) as Sent;
  };
  const title = () => stage.page.locator("h1").textContent();
  const answerRun = async () => {
    const { id } = await asked("pipekit/run");
    answered.add(id);
    await post({ id, result: withMetrics(madeRun(madeBrief(1, { name: "first" })), ["loss"]) });
    await expect.poll(title).toBe("first");
  };

  test("begins where it is told to, in the colours of the editor, and asks by messages alone", async () => {
    expect((await asked("pipekit/run")).params).toEqual({ runId: runId(1) });
    await answerRun();
    expect(await stage.page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(1, 2, 3)");
    expect(await stage.page.evaluate("getComputedStyle(document.body).colorScheme")).toBe("dark");
    expect(stage.asked.filter(({ method }) => method === "pipekit/run")).toEqual([]);
  });

  test("tells a refusal with what to do", async () => {
    const { id } = await asked("pipekit/run");
    const error = {
      code: "RUN_NOT_FOUND",
      message: "There is no such run.",
      field: "runId",
      mend: "List them.",
    };
    await post({ id, error });
    await stage.page.getByRole("alert").getByText("List them.").waitFor();
  });

  test("follows links by itself, and goes back by a button", async () => {
    const { page } = stage;
    await answerRun();
    expect(await page.getByRole("button", { name: "Back" }).isVisible()).toBe(false);
    await page.getByRole("link", { name: "Models" }).click();
    await expect.poll(title).toBe("Models");
    expect(await page.evaluate("location.hash")).toBe("");
    await post({ navigate: "#/dead-letters" });
    await expect.poll(title).toBe("Dead letters");
    for (const place of ["Models", "first"]) {
      await page.getByRole("button", { name: "Back" }).click();
      if (place === "first") await answerRun();
      await expect.poll(title).toBe(place);
    }
    expect(await page.getByRole("button", { name: "Back" }).isVisible()).toBe(false);
  });

  test("goes on where it was when it is made anew", async () => {
    await answerRun();
    await post({ navigate: "#/models" });
    await expect.poll(title).toBe("Models");
    await reload();
    await expect.poll(title).toBe("Models");
  });

  test("cancels what it no longer waits for, and asks anew when the server was started anew", async () => {
    const { id } = await asked("pipekit/run");
    await post({ navigate: "#/models" });
    await expect.poll(async () => (await sent()).some(({ cancel }) => cancel === id)).toBe(true);
    const first = await asked("pipekit/models");
    await post({ id: first.id, result: { models: [], nextPageToken: "", total: 0 } });
    await stage.page.getByText("There are no models yet").waitFor();
    await post({ restarted: true });
    await expect.poll(async () => (await asked("pipekit/models")).id).not.toBe(first.id);
  });

  test("passes over messages that are none of its host's", async () => {
    for (const message of [{}, { id: 999, result: 1 }, { navigate: "#/nowhere/at/all" }]) await post(message);
    await stage.page.evaluate("window.postMessage('text'); window.postMessage(null)");
    await stage.page.getByText("There is no such place.").waitFor();
  });
});
