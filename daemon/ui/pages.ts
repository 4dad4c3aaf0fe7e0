/** The pages that are open: each is a stream of events and a session of the view, and ends with its stream. */
import type { ServerResponse } from "node:http";
import type { View, ViewSession } from "../view/index.ts";
import { EventStream } from "./events.ts";
import { Refusal } from "./refusal.ts";
import { randomText } from "./secrets.ts";

/** A browser opens six connections to a host: with a stream on each, none would be left for requests. */
const MOST_OF_A_BROWSER = 5;
const MOST_CALLS = 64;

interface OpenPage {
  /** Of the browser that opened it. */
  readonly browser: string;
  readonly session: ViewSession;
  readonly stream: EventStream;
  /** Requests that are not answered yet. */
  calls: number;
}

export class Pages {
  readonly #view: View;
  readonly #open = new Map<string, OpenPage>();

  constructor(view: View) {
    this.#view = view;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Makes an answer the stream of a new page. Throws a Refusal when the browser has too many. */
  open(browser: string, answer: ServerResponse): void {
    const others = [...this.#open.values()].filter((page) => page.browser === browser);
    if (others.length >= MOST_OF_A_BROWSER) {
      throw new Refusal(429, `This browser has ${MOST_OF_A_BROWSER} pages open already.`, {
        mend: "Close one of them.",
      });
    }
    const id = randomText();
    const stream = new EventStream(answer, () => {
      this.#open.delete(id);
      session.close();
    });
    const session = this.#view.session((method, params) => stream.send("notification", { method, params }));
    this.#open.set(id, { browser, session, stream, calls: 0 });
    stream.send("session", { session: id });
    session.watch();
  }

  /** Answers a request of a page. Throws a Refusal for one that is not open, and what the view throws. */
  async call(
    browser: string,
    id: string,
    method: string,
    params: unknown,
    signal: AbortSignal,
  ): Promise<unknown> {
    const page = this.#open.get(id);
    if (page === undefined || page.browser !== browser) {
      throw new Refusal(410, "This page's connection has ended.", {
        field: "session",
        mend: "Open /events again, or reload the page.",
      });
    }
    if (page.calls >= MOST_CALLS) {
      throw new Refusal(429, `More than ${MOST_CALLS} requests of one page wait for an answer.`);
    }
    page.calls += 1;
    try {
      return await page.session.request(method, params, signal);
    } finally {
      page.calls -= 1;
    }
  }

  close(): void {
    for (const { stream } of this.#open.values()) stream.end();
  }
}
