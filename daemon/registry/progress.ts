/** What a call tells while it moves bytes. */
import type { OnBytes } from "@pipekit/adapters/registry";
import type { OnProgress } from "./registry.ts";

/** What goes on, as clients show it. */
export type Phase = "receiving" | "sending" | "fetching" | "checking";

/** Tells the bytes of a phase; undefined when nobody listens. */
export function bytesOf(phase: Phase, onProgress: OnProgress | undefined): OnBytes | undefined {
  if (onProgress === undefined) return undefined;
  return (bytesDone, bytesTotal) =>
    onProgress({ phase, bytesDone, bytesTotal, modelsDone: 0, modelsTotal: 0, filesDone: 0, filesTotal: 0 });
}

/** The same chunks, counted as they pass; how many there will be is not known. */
export async function* counted(chunks: AsyncIterable<Buffer>, onBytes: OnBytes): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    onBytes(done, 0);
    yield chunk;
  }
}
