/** The weights of a Store call, as they arrive. */
import { PipekitError, type StoreHeader, type StoreRequest } from "@pipekit/proto";
import type { WeightsSource } from "../registry/index.ts";
import { swept } from "./sweep.ts";

/** Where a header says that the weights are. Throws INVALID_ARGUMENT. */
export function weightsSource(
  header: StoreHeader,
  parts: AsyncIterator<StoreRequest>,
): WeightsSource | undefined {
  const { hasWeights, weightsPath, weightsStaged } = header;
  if (!hasWeights && weightsPath !== "") {
    throw invalid("weights_path", "A model without weights has no weights path.", "Set has_weights.");
  }
  if (!hasWeights) return undefined;
  if (weightsPath !== "") return { kind: "path", path: weightsPath, staged: weightsStaged };
  return { kind: "stream", chunks: swept(chunksOf(parts)) };
}

/** Ends with the weights' end only: HTTP/2 of Node ends a stream that its client breaks off like one that is complete. */
async function* chunksOf(parts: AsyncIterator<StoreRequest>): AsyncGenerator<Buffer> {
  let size = 0;
  for (;;) {
    const next = await parts.next();
    const part = next.done ? undefined : next.value.part;
    if (part?.$case === "weightsChunk") {
      size += part.value.length;
      yield part.value;
    } else if (part?.$case === "weightsEnd" && part.value.size === size) {
      return;
    } else if (part?.$case === "header") {
      throw invalid("header", "A header stands among the chunks.", "Send one header only.");
    } else {
      throw invalid(
        "weights_end",
        `The weights end after ${size} bytes without saying that these are all.`,
        "Send all chunks, then weights_end with the number of their bytes.",
      );
    }
  }
}

/** A request that is none. */
export function invalid(field: string, message: string, mend: string): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", message, { field, mend });
}
