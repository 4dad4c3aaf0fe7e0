/** A unix socket before a daemon's own, whose answers can get lost: what is asked arrives, what is answered does not. */
import { rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tie } from "./go-between.ts";

export class AnswerCutter {
  readonly endpoint: string;
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #swallows = false;

  private constructor(here: string, there: string) {
    this.endpoint = `unix:${here}`;
    rmSync(here, { force: true });
    this.#server = createServer((near) => {
      const far = createConnection(there);
      near.pipe(far);
      far.on("data", (bytes) => this.#swallows || near.write(bytes));
      tie(near, far, this.#open);
    });
  }

  static async start(here: string, there: string): Promise<AnswerCutter> {
    const made = new AnswerCutter(here, there);
    await new Promise<void>((done) => made.#server.listen(here, done));
    return made;
  }

  /** From now on answers are dropped. */
  swallow(): void {
    this.#swallows = true;
  }

  /** Breaks all connections off; those that follow are whole. */
  cut(): void {
    for (const near of this.#open) near.destroy();
    this.#swallows = false;
  }

  stop(): void {
    this.cut();
    this.#server.close();
  }
}
