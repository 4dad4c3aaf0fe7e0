/** A port before a server's own that can be shut: what is under way is cut off then, and who comes is turned away. */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tie } from "./go-between.ts";

export class TcpGate {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #isShut = false;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      if (this.#isShut) return near.destroy();
      const far = createConnection(port, "127.0.0.1");
      near.setNoDelay();
      far.setNoDelay();
      near.pipe(far).pipe(near);
      tie(near, far, this.#open);
      return undefined;
    });
  }

  static async before(port: number): Promise<TcpGate> {
    const made = new TcpGate(port);
    await new Promise<void>((done) => made.#server.listen(0, "127.0.0.1", done));
    return made;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("The gate is closed.");
    return address.port;
  }

  shut(): void {
    this.#isShut = true;
    for (const near of this.#open) near.destroy();
  }

  open(): void {
    this.#isShut = false;
  }

  close(): void {
    this.shut();
    this.#server.close();
  }
}
