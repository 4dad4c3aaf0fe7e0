/** Server-sent events (HTML Living Standard, section 9.2) to one page. */
import type { ServerResponse } from "node:http";

const HEARTBEAT_MS = 15_000;
/** After how many milliseconds the browser comes back when the stream broke off. */
const RETRY_MS = 1000;
/**
 * What may wait for a page that does not read, bytes. More, and the stream ends: nothing grows here, and a page that
 * reads again comes back and gets everything anew.
 */
const MOST_WAITING = 8 * 2 ** 20;

/** An open stream of events. Ends when the page goes, falls behind too far, or by `end`. */
export class EventStream {
  readonly #answer: ServerResponse;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(answer: ServerResponse, ended: () => void) {
    this.#answer = answer;
    answer.writeHead(200, { "Content-Type": "text/event-stream; charset=utf-8" });
    answer.write(`retry: ${RETRY_MS}\n\n`);
    this.#heartbeat = setInterval(() => this.#write(": still here\n\n"), HEARTBEAT_MS);
    answer.once("close", () => {
      clearInterval(this.#heartbeat);
      ended();
    });
  }

  send(event: string, document: unknown): void {
    // JSON has no line break outside of strings, and escapes those within.
    this.#write(`event: ${event}\ndata: ${JSON.stringify(document)}\n\n`);
  }

  end(): void {
    this.#answer.destroy();
  }

  #write(text: string): void {
    // What was written before counts: one large message always goes to a page that reads.
    if (this.#answer.writableLength > MOST_WAITING) this.#answer.destroy();
    else this.#answer.write(text);
  }
}
