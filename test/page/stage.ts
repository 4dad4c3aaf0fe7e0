/** The real page in a real chromium, served by the real server of `pkx ui`, before a view whose answers a test makes up. */
import { PipekitError } from "@pipekit/proto";
import type { EditorMethod, EditorParams, EditorResults } from "@pipekit/proto/editor";
import type { Page } from "playwright-core";
import { buildPage } from "../../clients/page/build.ts";
import { serveUi, type Ui } from "../../daemon/ui/index.ts";
import type { Notify, View } from "../../daemon/view/index.ts";
import { openBrowser, type TestBrowser } from "../support/browser.ts";

type Answers = {
  [M in EditorMethod]?: (params: EditorParams<M>) => EditorResults[M] | Promise<EditorResults[M]>;
};

export interface Stage extends AsyncDisposable {
  readonly browser: TestBrowser;
  /** Let in, at `#/runs`. */
  readonly page: Page;
  /** How requests are answered; what is not here is refused as not found. */
  readonly answers: Answers;
  /** Requests as they came. */
  readonly asked: { readonly method: string; readonly params: never }[];
  /** Tells the page something without being asked. */
  readonly tell: Notify;
  readonly ui: Ui;
  open(route: string): Promise<void>;
}

const DAEMON = {
  state: "connected",
  message: "",
  mend: "",
  version: "0",
  endpoint: "unix:/x",
  editorProtocol: 1,
  mayChange: true,
} as const;

export async function setStage(answers: Answers, context = {}): Promise<Stage> {
  const sessions = new Set<Notify>();
  const asked: Stage["asked"] = [];
  const known: Answers = {
    "pipekit/daemon": () => DAEMON,
    "pipekit/runs": () => ({ runs: [], nextPageToken: "", total: 0 }),
    "pipekit/unfollow": () => ({}),
    ...answers,
  };
  const session: View["session"] = (notify) => ({
    request: async (method, params) => {
      asked.push({ method, params: params as never });
      const answer = known[method as EditorMethod] as ((params: unknown) => unknown) | undefined;
      if (answer !== undefined) return answer(params);
      throw new PipekitError("RUN_NOT_FOUND", `Nothing answers ${method}.`, { mend: "Ask something else." });
    },
    watch: () => void sessions.add(notify),
    close: () => void sessions.delete(notify),
  });
  const view = { session, close: () => undefined } as unknown as View;
  const ui = await serveUi({ view, page: await buildPage() });
  const browser = await openBrowser({ context });
  const page = await browser.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(ui.newAddress());
  await page.locator("h1").waitFor();
  return {
    browser,
    page,
    answers: known,
    asked,
    ui,
    tell: (method, params) => {
      for (const notify of sessions) notify(method, params);
    },
    open: async (route) => {
      await page.evaluate(`location.hash = ${JSON.stringify(route)}`);
    },
    [Symbol.asyncDispose]: async () => {
      await page.close();
      await ui.close();
      await browser.close();
    },
  };
}
