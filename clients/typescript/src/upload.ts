/** Weights into the registry. */
import { type EventEmitter, once } from "node:events";
import { createReadStream } from "node:fs";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  PipekitError,
  type RegistryServiceClient,
  type StoreHeader,
  type StoreRequest,
  type StoreResponse,
  settling,
  WEIGHTS_CHUNK_BYTES,
} from "@pipekit/proto";
import { answers, type CallSettings, failure } from "./calls.ts";
import { type OnProgress, tell } from "./progress.ts";
import { present } from "./registry-calls.ts";

/** The sending half of a call. */
interface Outgoing {
  write(request: StoreRequest): boolean;
  readonly call: EventEmitter & { end(): unknown; cancel(): void };
}

/** Makes a Store call: the header, then the weights' bytes if there are any. */
export function upload(
  registry: RegistryServiceClient,
  header: StoreHeader,
  weights: AsyncIterable<Uint8Array> | undefined,
  { signal, onProgress }: CallSettings & { readonly onProgress?: OnProgress | undefined },
): Promise<StoreResponse> {
  return onProgress === undefined
    ? uploadQuietly(registry, header, weights, signal)
    : uploadTelling(registry, header, weights, signal, onProgress);
}

async function uploadQuietly(
  registry: RegistryServiceClient,
  header: StoreHeader,
  weights: AsyncIterable<Uint8Array> | undefined,
  signal: AbortSignal | undefined,
): Promise<StoreResponse> {
  signal?.throwIfAborted();
  const over = new AbortController();
  const { promise, resolve, reject } = settling<StoreResponse>();
  const call = registry.store(new Metadata(), {}, (error: ServiceError | null, answer: StoreResponse) => {
    over.abort();
    if (error === null) resolve(answer);
    else reject(failure(error, signal));
  });
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  call.on("error", () => over.abort());
  const outgoing = { call, write: (request: StoreRequest) => call.write(request) };
  send(outgoing, header, weights, over.signal, reject);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

async function uploadTelling(
  registry: RegistryServiceClient,
  header: StoreHeader,
  weights: AsyncIterable<Uint8Array> | undefined,
  signal: AbortSignal | undefined,
  onProgress: OnProgress,
): Promise<StoreResponse> {
  const over = new AbortController();
  let broken: { readonly error: unknown } | undefined;
  let stored: StoreResponse | undefined;
  const open = () => {
    const call = registry.storeWithProgress();
    const outgoing = { call, write: (request: StoreRequest) => call.write({ request }) };
    send(outgoing, header, weights, over.signal, (error) => {
      broken = { error };
    });
    return call;
  };
  try {
    for await (const { part } of answers(open, signal)) {
      if (part?.$case === "progress") tell(onProgress, part.value);
      else if (part?.$case === "stored") stored = part.value;
    }
  } catch (error) {
    throw broken === undefined ? error : broken.error;
  } finally {
    over.abort();
  }
  return present(stored, "model");
}

/** Weights as a stream, whether they are in memory, in a file, or one already. Throws ARTIFACT_UNREADABLE. */
export async function* piecesOf(
  weights: string | Uint8Array | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (weights instanceof Uint8Array) yield weights;
  else if (typeof weights === "string") yield* piecesOfFile(weights);
  else yield* weights;
}

async function* piecesOfFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: WEIGHTS_CHUNK_BYTES });
  } catch (cause) {
    throw new PipekitError("ARTIFACT_UNREADABLE", `The file ${path} with weights cannot be read.`, {
      field: "weights",
      mend: "Check the path, and that you may read it.",
      cause,
    });
  }
}

/** Sends all there is to send; when the weights cannot be read, tells `failed` and cancels the call. */
function send(
  outgoing: Outgoing,
  header: StoreHeader,
  weights: AsyncIterable<Uint8Array> | undefined,
  over: AbortSignal,
  failed: (error: unknown) => void,
): void {
  outgoing.write({ part: { $case: "header", value: header } });
  const sending = weights === undefined ? Promise.resolve() : sendChunks(outgoing, weights, over);
  sending.then(
    () => outgoing.call.end(),
    (error: unknown) => {
      failed(error);
      outgoing.call.cancel();
    },
  );
}

/** Sends weights in chunks of 1 MiB at most, no faster than they are taken. */
async function sendChunks(
  outgoing: Outgoing,
  weights: AsyncIterable<Uint8Array>,
  over: AbortSignal,
): Promise<void> {
  let size = 0;
  for await (const piece of weights) {
    size += piece.length;
    for (let at = 0; at < piece.length; at += WEIGHTS_CHUNK_BYTES) {
      if (over.aborted) return;
      const chunk = Buffer.from(
        piece.buffer,
        piece.byteOffset + at,
        Math.min(WEIGHTS_CHUNK_BYTES, piece.length - at),
      );
      if (!outgoing.write({ part: { $case: "weightsChunk", value: chunk } })) {
        await once(outgoing.call, "drain", { signal: over }).catch(() => undefined);
      }
    }
  }
  if (!over.aborted) outgoing.write({ part: { $case: "weightsEnd", value: { size } } });
}
