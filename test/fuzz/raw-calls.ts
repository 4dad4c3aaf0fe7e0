/** Calls of a daemon's methods with bytes that no client would send. */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { ERROR_TRAILER, type FailureCode, PipekitError } from "@pipekit/proto";

/** How a call ended: answered, still streaming when it was left, or refused. */
export type Verdict = "answered" | "left" | FailureCode;

/** Milliseconds after which a stream that still goes on is left. */
const STREAM_MS = 60;
/** Milliseconds within which everything else must be over. */
const CALL_MS = 20_000;
const asIs = (bytes: Buffer): Buffer => bytes;

/** Takes any method of one daemon, and any bytes. */
export class RawClient {
  readonly #client: Client;

  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure());
  }

  /** Sends messages to a method. Rejects when the failure is untyped or when the call hangs. */
  call(path: string, messages: readonly Buffer[]): Promise<Verdict> {
    return new Promise((done, fail) => {
      const call = this.#client.makeBidiStreamRequest(path, asIs, asIs, { deadline: Date.now() + CALL_MS });
      // What waits for news would go on for ever.
      const left = /\/(?:Watch\w+|Sync|ReadAudit|ImportRuns)$/.test(path)
        ? setTimeout(() => call.cancel(), STREAM_MS)
        : undefined;
      let answers = 0;
      call.on("data", () => {
        answers++;
      });
      call.on("error", () => undefined);
      call.on("status", ({ code, details, metadata }) => {
        clearTimeout(left);
        if (code === status.OK) return done("answered");
        if (code === status.CANCELLED && left !== undefined) return done("left");
        const error: ServiceError = Object.assign(new Error(details), { code, details, metadata });
        if (metadata.get(ERROR_TRAILER).length === 0) {
          return fail(new Error(`${path} failed untyped after ${answers} answers: ${code} ${details}`));
        }
        done(PipekitError.fromServiceError(error).code);
      });
      for (const message of messages) call.write(message);
      call.end();
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** Sends the body of a call as it is, framing and all. Resolves when the daemon ended the stream, or with "left". */
export function rawBody(
  socketPath: string,
  path: string,
  body: Buffer,
  headers: { readonly [name: string]: string },
): Promise<string> {
  return new Promise((done) => {
    const session = connectHttp2("http://localhost", { createConnection: () => connect(socketPath) });
    const finish = (verdict: string): void => {
      clearTimeout(left);
      session.destroy();
      done(verdict);
    };
    const left = setTimeout(() => finish("left"), STREAM_MS * 5);
    session.on("error", () => finish("session"));
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    let code = "none";
    stream.on("response", (head) => {
      if (head["grpc-status"] !== undefined) code = String(head["grpc-status"]);
    });
    stream.on("trailers", (tail) => {
      code = String(tail["grpc-status"]);
    });
    stream.on("error", () => undefined);
    stream.on("close", () => finish(code));
    stream.resume();
    stream.end(body);
  });
}
