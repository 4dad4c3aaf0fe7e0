import type { TagMove } from "@pipekit/proto";
import { publicMove } from "./tag-file.ts";
import type { Tags } from "./tags.ts";

/**
 * The tag's moves after `afterSeq` in order, each once, then each new one until the signal aborts. With `afterSeq` 0 the
 * history is left out: the first is the current move. The tag need not exist yet.
 */
export async function* watchMoves(
  tags: Tags,
  name: string,
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<TagMove> {
  let wake: () => void = () => undefined;
  let changed = true;
  const onChange = (): void => {
    changed = true;
    wake();
  };
  // Watching begins before the first read, so that no move falls between the two.
  const stop = tags.onMove(name, onChange);
  signal.addEventListener("abort", onChange);
  try {
    let seen = afterSeq;
    while (!signal.aborted) {
      if (!changed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      changed = false;
      const last = await tags.current(name, signal);
      if (last === undefined || last.seq <= seen) continue;
      for (let seq = seen === 0 ? last.seq : seen + 1; seq <= last.seq && !signal.aborted; seq++) {
        const found = await tags.moveAt(last, seq, signal);
        if (found !== undefined) yield publicMove(found);
      }
      seen = last.seq;
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onChange);
  }
}
