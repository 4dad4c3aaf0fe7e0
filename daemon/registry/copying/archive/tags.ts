/** The tags of an archive with their histories. */
import { decodeLog, decodeTag, type LoggedMove } from "../../tag-file.ts";
import type { History } from "../history.ts";
import { corruptArchive } from "./form.ts";
import { type ArchiveEntry, type ArchiveFile, readSmall, skip } from "./reading.ts";

/** Tags in the order in which they stand, from byte `begin` on. Throws CORRUPT_ARCHIVE. */
export async function* incomingTags(
  file: ArchiveFile,
  begin: number,
  signal: AbortSignal,
): AsyncGenerator<History> {
  let moves = new Map<number, LoggedMove>();
  for await (const entry of file.entries(begin, signal)) {
    const { is } = entry;
    if (is.kind === "log") {
      const move = decodeLog(is.name, await readSmall(entry, entry.content, file.path));
      if (move?.seq !== is.seq) throw damaged(file, entry);
      moves.set(is.seq, move);
    } else if (is.kind === "tag") {
      const last = decodeTag(is.name, await readSmall(entry, entry.content, file.path));
      if (last === undefined || [...moves.values()].some((move) => !belongs(move, last))) {
        throw damaged(file, entry);
      }
      yield historyOf(last, moves);
      moves = new Map();
    } else {
      await skip(entry.content);
    }
  }
}

/** Whether a logged move is one of the tag's. */
function belongs(move: LoggedMove, last: LoggedMove): boolean {
  return move.name === last.name && (move.seq < last.seq || move.nonce === last.nonce);
}

function historyOf(last: LoggedMove, moves: ReadonlyMap<number, LoggedMove>): History {
  return { last, moveAt: async (seq) => (seq === last.seq ? last : moves.get(seq)) };
}

function damaged(file: ArchiveFile, { name }: ArchiveEntry) {
  return corruptArchive(file.path, `holds a damaged history in \`${name}\``);
}
