import { Frame } from "@pipekit/proto";
import { type Cursor, type CursorRecord, itemCount } from "./journal.ts";

/**
 * The records of frames that stand behind a cursor. `frames` are the run's next frames, in order; the cursor's
 * offset skips items of the first one. Throws RangeError and others on bytes that are no frame.
 */
export function recordsBehind(
  cursor: Cursor,
  frames: readonly { readonly position: number; readonly body: Uint8Array }[],
): CursorRecord[] {
  return frames.flatMap(({ position, body }, i) => recordsOf(position, body, i === 0 ? cursor.offset : 0));
}

function recordsOf(position: number, body: Uint8Array, offset: number): CursorRecord[] {
  const { records } = Frame.decode(body);
  const behind: CursorRecord[] = [];
  let itemsBefore = 0;
  records.forEach((record, i) => {
    const items = itemCount(record);
    const skip = Math.max(0, offset - itemsBefore);
    // A record without items (metric columns without rows) stays, so that the cursor can pass its frame.
    if (skip < items || (items === 0 && skip === 0)) {
      behind.push({ record, position, itemsBefore, skip, last: i === records.length - 1 });
    }
    itemsBefore += items;
  });
  return behind;
}
