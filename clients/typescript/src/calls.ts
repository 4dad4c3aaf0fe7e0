/** Makes promises and async iterables of gRPC calls; failures come out as PipekitError, aborts as the signal's reason. */
import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";

type UnaryMethod<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => ClientUnaryCall;

/** Options that every call takes. */
export interface CallSettings {
  /** Cancels the call; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One request, one answer. `method` must be bound to its client. */
export function unary<Q, A>(
  method: UnaryMethod<Q, A>,
  request: Q,
  { signal, timeoutMs }: CallSettings & { readonly timeoutMs?: number } = {},
): Promise<A> {
  signal?.throwIfAborted();
  const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
  return new Promise((fulfil, reject) => {
    const cancel = () => call.cancel();
    const call = method(request, new Metadata(), options, (error, answer) => {
      signal?.removeEventListener("abort", cancel);
      if (error === null) fulfil(answer);
      else reject(failure(error, signal));
    });
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** A stream of answers. Leaving the loop cancels the call. */
export async function* answers<A>(
  open: () => ClientReadableStream<A>,
  signal?: AbortSignal,
): AsyncGenerator<A> {
  signal?.throwIfAborted();
  const call = open();
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  // A cancelled call reports an error that nobody waits for any more.
  call.on("error", () => undefined);
  try {
    for await (const answer of call) yield answer as A;
  } catch (error) {
    throw failure(error, signal);
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
  signal?.throwIfAborted();
}

/** What to throw for a failed call. */
export function failure(error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (!isServiceError(error)) return error;
  // Nobody here cancelled it: so ends a call whose server closes.
  if (error.code === status.CANCELLED) {
    return new PipekitError("DAEMON_UNAVAILABLE", "The daemon broke the call off.", {
      mend: "Try again; the daemon is started anew.",
      cause: error,
    });
  }
  return PipekitError.fromServiceError(error);
}

/** Whether the daemon was not there, so that asking again after a reconnect may help. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof PipekitError && error.code === "DAEMON_UNAVAILABLE";
}

/** Whether a failed call reached a gRPC server that knows no such method. */
export function isUnimplemented(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return isServiceError(cause) && cause.code === status.UNIMPLEMENTED;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}
