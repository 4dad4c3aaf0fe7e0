/** Answers requests of browsers: lets them in, and gives what they ask for. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { failureDocument } from "../view/documents/failure.ts";
import { sendFailure, sendFile, sendJson, sendOn, setHeaders } from "./answers.ts";
import { readCall } from "./body.ts";
import type { PageFiles } from "./page.ts";
import type { Pages } from "./pages.ts";
import { Refusal } from "./refusal.ts";
import { checkHost, checkOrigin, isPrefetch } from "./rules.ts";
import type { Browsers, TokenState, Tokens } from "./secrets.ts";

export class Desk {
  readonly #files: PageFiles;
  readonly #tokens: Tokens;
  readonly #browsers: Browsers;
  readonly #port: number;
  readonly pages: Pages;

  constructor(files: PageFiles, pages: Pages, tokens: Tokens, browsers: Browsers, port: number) {
    this.#files = files;
    this.pages = pages;
    this.#tokens = tokens;
    this.#browsers = browsers;
    this.#port = port;
  }

  /** Never rejects. */
  async take(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    setHeaders(answer);
    // One that went away is told nothing.
    answer.on("error", () => answer.destroy());
    try {
      await this.#answer(request, answer);
    } catch (error) {
      sendFailure(request, answer, error);
    }
  }

  async #answer(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    checkHost(request, this.#port);
    const { path, token } = targetOf(request);
    if (path === "/" && token !== undefined) {
      this.#admit(request, answer, token);
      return;
    }
    checkOrigin(request);
    if (path === "/favicon.ico") {
      // Browsers ask for it beside every text that is no page, such as the one that lets them in.
      answer.writeHead(204).end();
      return;
    }
    const browser = this.#browsers.recognise(request.headers.cookie);
    if (browser === undefined) throw stranger();
    if (path === "/request") {
      allow(request, ["POST"]);
      await this.#call(browser, request, answer);
    } else if (path === "/events") {
      allow(request, ["GET"]);
      this.pages.open(browser, answer);
    } else {
      const name = path === "/" ? "index.html" : path.slice(1);
      const content = this.#files.get(name);
      if (content === undefined) throw new Refusal(404, "There is no such page.", { field: "path" });
      allow(request, ["GET", "HEAD"]);
      sendFile(answer, name, content);
    }
  }

  #admit(request: IncomingMessage, answer: ServerResponse, token: string): void {
    // HEAD is how programs look at an address that they found, in a chat say.
    allow(request, ["GET"]);
    if (isPrefetch(request)) throw new Refusal(503, "The address is for one visit, not for a look ahead.");
    const state = this.#tokens.use(token);
    if (state !== "good") throw badToken(state);
    sendOn(answer, this.#browsers.admit());
  }

  /** A request that reached the view is answered with 200, be it with a result or an error. */
  async #call(browser: string, request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { session, method, params } = await readCall(request);
    const gone = new AbortController();
    answer.once("close", () => gone.abort(new Error("The page went away.")));
    let document: unknown;
    try {
      document = { result: await this.pages.call(browser, session, method, params, gone.signal) };
    } catch (error) {
      if (error instanceof Refusal) throw error;
      document = { error: failureDocument(error) };
    }
    if (!gone.signal.aborted) sendJson(answer, 200, document);
  }
}

/** What is asked for. The path is compared as it was sent: nothing is decoded, nothing leads anywhere else. */
function targetOf({ url = "" }: IncomingMessage): { path: string; token: string | undefined } {
  const [path = "", query = ""] = url.split("?", 2);
  return { path, token: new URLSearchParams(query).get("token") ?? undefined };
}

function allow({ method = "" }: IncomingMessage, methods: readonly string[]): void {
  if (methods.includes(method)) return;
  const headers = { Allow: methods.join(", ") };
  throw new Refusal(405, `This address takes ${methods.join(" and ")} only.`, { field: "method", headers });
}

function stranger(): Refusal {
  return new Refusal(401, "This browser was not let in, or the page was started anew since.", {
    field: "Cookie",
    mend: "Open the address that `pkx ui` prints; press n there for a new one.",
  });
}

function badToken(state: Exclude<TokenState, "good">): Refusal {
  const message = {
    used: "This address was used already: it lets in one browser, once.",
    expired: "This address is older than ten minutes.",
    unknown: "This address is not of the page that runs now.",
  }[state];
  return new Refusal(401, message, {
    field: "token",
    mend: "Press n where `pkx ui` runs for a new address, or run it again.",
  });
}
