/** Weights into the registry. */
import { once } from "node:events";
import { type ClientWritableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  type RegistryServiceClient,
  type StoreHeader,
  type StoreRequest,
  type StoreResponse,
  WEIGHTS_CHUNK_BYTES,
} from "@pipekit/proto";
import { failure } from "./calls.ts";

/** Makes a Store call: the header, then the weights' bytes if there are any. */
export async function upload(
  registry: RegistryServiceClient,
  header: StoreHeader,
  weights: AsyncIterable<Uint8Array> | undefined,
  signal: AbortSignal | undefined,
): Promise<StoreResponse> {
  signal?.throwIfAborted();
  const over = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<StoreResponse>();
  const call = registry.store(new Metadata(), {}, (error: ServiceError | null, answer: StoreResponse) => {
    over.abort();
    if (error === null) resolve(answer);
    else reject(failure(error, signal));
  });
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  call.on("error", () => over.abort());
  try {
    call.write({ part: { $case: "header", value: header } } satisfies StoreRequest);
    const sending = weights === undefined ? Promise.resolve() : sendChunks(call, weights, over.signal);
    sending.then(
      () => call.end(),
      (error: unknown) => {
        reject(error);
        call.cancel();
      },
    );
    return await promise;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** Weights as a stream, whether they are in memory or one already. */
export async function* piecesOf(weights: Uint8Array | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (weights instanceof Uint8Array) yield weights;
  else yield* weights;
}

/** Sends weights in chunks of 1 MiB at most, no faster than they are taken. */
async function sendChunks(
  call: ClientWritableStream<StoreRequest>,
  weights: AsyncIterable<Uint8Array>,
  over: AbortSignal,
): Promise<void> {
  for await (const piece of weights) {
    for (let at = 0; at < piece.length; at += WEIGHTS_CHUNK_BYTES) {
      if (over.aborted) return;
      const chunk = Buffer.from(
        piece.buffer,
        piece.byteOffset + at,
        Math.min(WEIGHTS_CHUNK_BYTES, piece.length - at),
      );
      if (!call.write({ part: { $case: "weightsChunk", value: chunk } })) {
        await once(call, "drain", { signal: over }).catch(() => undefined);
      }
    }
  }
}
