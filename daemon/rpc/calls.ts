/**
 * Turns async functions into gRPC handlers: thrown PipekitErrors travel typed, cancellation arrives as an
 * AbortSignal, streams respect back-pressure.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";
import type {
  handleBidiStreamingCall,
  handleClientStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import { isFull } from "@pipekit/adapters/file-faults";
import { type FailureCode, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import { principalOf } from "../access/principal.ts";

/** One request, one answer. Handlers that record who called get the name of the principal. */
export function unary<Q, A>(
  log: Logger,
  handle: (request: Q, signal: AbortSignal, principal: string) => Promise<A>,
): handleUnaryCall<Q, A> {
  return (call, callback) => {
    handle(call.request, abortOnCancel(call), principalOf(call.metadata)).then(
      (answer) => callback(null, answer),
      (error: unknown) => callback(toPipekitError(error, log).toServiceError()),
    );
  };
}

/**
 * One request, a stream of answers. gRPC queues 16 answers for a call, whatever their size; `oneAtATime` lets each wait
 * for the one before, for answers so large that the queue would be most of the process's memory.
 */
export function serverStream<Q, A>(
  log: Logger,
  handle: (request: Q, signal: AbortSignal, principal: string) => AsyncIterable<A>,
  options: { readonly oneAtATime?: boolean } = {},
): handleServerStreamingCall<Q, A> {
  return (call) => {
    const signal = abortOnCancel(call);
    const answers = handle(call.request, signal, principalOf(call.metadata));
    const write = options.oneAtATime === true ? writeThrough : writeQueued;
    void pump(call, answers, signal, log, write);
  };
}

/** A stream of requests, one answer. */
export function clientStream<Q, A>(
  log: Logger,
  handle: (requests: AsyncIterable<Q>, signal: AbortSignal, principal: string) => Promise<A>,
): handleClientStreamingCall<Q, A> {
  return (call, callback) => {
    handle(call, abortOnCancel(call), principalOf(call.metadata)).then(
      (answer) => callback(null, answer),
      (error: unknown) => {
        callback(toPipekitError(error, log).toServiceError());
        // What the client still sends is read and dropped, else it never sees the answer.
        call.resume();
      },
    );
  };
}

/** A stream of requests, a stream of answers. */
export function bidiStream<Q, A>(
  log: Logger,
  handle: (requests: AsyncIterable<Q>, signal: AbortSignal, principal: string) => AsyncIterable<A>,
): handleBidiStreamingCall<Q, A> {
  return (call) => {
    const signal = abortOnCancel(call);
    void pump(call, handle(call, signal, principalOf(call.metadata)), signal, log);
  };
}

/** Any thrown value as a typed failure. A full disk is STORAGE_FULL; what nobody foresaw is INTERNAL and logged. */
export function toPipekitError(error: unknown, log: Logger): PipekitError {
  if (error instanceof PipekitError) return error;
  if (isFull(error)) {
    return new PipekitError("STORAGE_FULL", "The disk of the daemon is full.", {
      mend: "Free disk space; what was acknowledged is safe.",
      cause: error,
    });
  }
  log.error({ err: error }, "unforeseen failure in a call");
  return new PipekitError("INTERNAL", "The daemon failed unexpectedly.", {
    mend: "See the daemon's log: `pkx logs`.",
    cause: error,
  });
}

/** How an interceptor ends a call with a failure. */
export function statusOf(failure: PipekitError): { code: number; details: string; metadata: Metadata } {
  const { code, details, metadata } = failure.toServiceError();
  if (code === undefined || details === undefined || metadata === undefined) throw failure;
  return { code, details, metadata };
}

/** The failure of a request that lacks a field it must have. */
export function missing(field: string): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `The request has no ${field}.`, {
    field,
    mend: `Fill ${field}.`,
  });
}

/** What a failure of an adapter's seam tells. */
interface SeamFault<Kind extends string> extends Error {
  readonly kind: Kind;
  readonly field: string;
  readonly mend: string;
}

/** Runs a call; a fault of this class becomes the failure that clients know. */
export async function typedFaults<T, Kind extends string>(
  Fault: abstract new (...args: never[]) => SeamFault<Kind>,
  codes: Readonly<Record<Kind, FailureCode>>,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const { kind, message, field, mend } = cause;
    throw new PipekitError(codes[kind], message, { field, mend, cause });
  }
}

async function pump<Q, A>(
  call: ServerWritableStream<Q, A> | ServerDuplexStream<Q, A>,
  answers: AsyncIterable<A>,
  signal: AbortSignal,
  log: Logger,
  write: typeof writeQueued = writeQueued,
): Promise<void> {
  try {
    for await (const answer of answers) {
      if (signal.aborted) return;
      await write(call, answer, signal);
    }
    call.end();
  } catch (error) {
    if (!signal.aborted) call.emit("error", toPipekitError(error, log).toServiceError());
  }
}

/** Resolves when the queue has room again. */
async function writeQueued(call: Writable, answer: unknown, signal: AbortSignal): Promise<void> {
  if (!call.write(answer)) await once(call, "drain", { signal });
}

/** Resolves when the answer has left the queue. */
async function writeThrough(call: Writable, answer: unknown, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    call.write(answer, (error) => {
      signal.removeEventListener("abort", stop);
      if (error) reject(error);
      else resolve();
    });
  });
}

function abortOnCancel(call: { on(event: "cancelled", listener: () => void): unknown }): AbortSignal {
  const controller = new AbortController();
  call.on("cancelled", () => controller.abort(new Error("The client cancelled the call.")));
  return controller.signal;
}
