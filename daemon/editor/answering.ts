import { unlessAborted } from "@pipekit/proto";
import { type CancellationToken, ResponseError } from "vscode-jsonrpc/node";
import { reasonOf } from "../view/documents/failure.ts";
import type { Log } from "./log.ts";
import { TextChanged } from "./open-file.ts";
import { errorOf, LSP_ERRORS } from "./wire/failure.ts";

/** Requests that may be answered at the same time; more are refused, so that a client gone wild costs no memory. */
const MAX_RUNNING = 2000;

/** Why a request was ended that the client no longer wants. */
class Cancelled extends Error {
  constructor() {
    super("The request was cancelled.");
  }
}

/** The requests that are being answered. */
export class Answering {
  readonly #log: Log;
  readonly #running = new Set<AbortController>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** The answer; as soon as the token cancels, or the text has changed, the error that says so. Throws ResponseError. */
  async answer(
    method: string,
    make: (signal: AbortSignal) => Promise<unknown>,
    token: CancellationToken,
  ): Promise<unknown> {
    if (this.#running.size >= MAX_RUNNING) {
      throw new ResponseError(
        LSP_ERRORS.requestFailed,
        `More than ${MAX_RUNNING} requests wait for an answer.`,
      );
    }
    const controller = new AbortController();
    this.#running.add(controller);
    const cancel = () => controller.abort(new Cancelled());
    const cancelling = token.onCancellationRequested(cancel);
    if (token.isCancellationRequested) cancel();
    try {
      controller.signal.throwIfAborted();
      return await unlessAborted(make(controller.signal), controller.signal);
    } catch (error) {
      if (controller.signal.aborted)
        throw new ResponseError(LSP_ERRORS.requestCancelled, new Cancelled().message);
      if (error instanceof TextChanged) throw new ResponseError(LSP_ERRORS.contentModified, error.message);
      this.#log.debug(`${method} failed: ${reasonOf(error)}`);
      throw errorOf(error);
    } finally {
      cancelling.dispose();
      this.#running.delete(controller);
    }
  }

  /** Ends all of them as cancelled. */
  close(): void {
    for (const controller of this.#running) controller.abort(new Cancelled());
  }
}
