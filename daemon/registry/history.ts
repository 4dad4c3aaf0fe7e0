import { PipekitError, type TagMove } from "@pipekit/proto";
import { inParallel } from "./collecting/parallel.ts";
import { pageSize } from "./paging.ts";
import type { PageQuery } from "./registry.ts";
import { type LoggedMove, publicMove } from "./tag-file.ts";
import type { Tags } from "./tags.ts";

/** Moves of a tag whose last one is `last`, newest first. Throws INVALID_ARGUMENT, CORRUPT_MODEL. */
export async function historyPage(
  tags: Tags,
  last: LoggedMove,
  query: PageQuery,
  signal: AbortSignal,
): Promise<{ moves: TagMove[]; nextPageToken: string }> {
  const from = query.pageToken === "" ? last.seq : Number(query.pageToken);
  if (!Number.isSafeInteger(from)) {
    throw new PipekitError("INVALID_ARGUMENT", "The page token is none of ours.", {
      field: "page_token",
      mend: "Use the token of the answer before, or none.",
    });
  }
  const end = Math.max(from - pageSize(query.pageSize), 0);
  const seqs = Array.from({ length: Math.max(0, Math.min(from, last.seq) - end) }, (_, i) => end + 1 + i);
  const moves = await inParallel(seqs.reverse(), (seq) => tags.moveAt(last, seq, signal));
  return {
    moves: moves.filter((move) => move !== undefined).map(publicMove),
    nextPageToken: end > 0 ? String(end) : "",
  };
}
