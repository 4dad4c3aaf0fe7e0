/** Counts the points that a reader of event files finds. */
import { isMissing } from "../file-faults.ts";
import { readRecords } from "./record-file.ts";
import { keyOf } from "./tags.ts";

/** Adds the scalars of a file to `counts`, by metric key. A file that is gone has none. */
export async function countPoints(
  path: string,
  counts: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const byTag = new Map<string, number>();
  try {
    await readRecords(path, (event) => countEvent(event, byTag), signal);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  for (const [tag, count] of byTag) {
    const key = keyOf(Buffer.from(tag, "latin1").toString());
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + count);
  }
}

/** Counts the values of an event that have a `simple_value` (field 2); tags are kept as bytes, in Latin-1. */
function countEvent(event: Buffer, into: Map<string, number>): void {
  eachField(event, 0, event.length, (field, from, to) => {
    if (field !== 5) return;
    eachField(event, from, to, (inner, start, end) => {
      if (inner !== 1) return;
      let tag = "";
      let isScalar = false;
      eachField(event, start, end, (name, first, last) => {
        if (name === 1) tag = event.toString("latin1", first, last);
        if (name === 2) isScalar = true;
      });
      if (isScalar) into.set(tag, (into.get(tag) ?? 0) + 1);
    });
  });
}

/** Walks over the fields of a message in `bytes[from..to)`. Stops where it is no message. */
function eachField(
  bytes: Buffer,
  from: number,
  to: number,
  visit: (field: number, from: number, to: number) => void,
): void {
  for (let at = from; at < to; ) {
    const [key, start] = varint(bytes, at, to);
    const type = key & 7;
    let end = start;
    let first = start;
    if (type === 0) end = varint(bytes, start, to)[1];
    else if (type === 1) end = start + 8;
    else if (type === 5) end = start + 4;
    else if (type === 2) {
      const [length, data] = varint(bytes, start, to);
      first = data;
      end = data + length;
    } else return;
    if (end > to || end <= at) return;
    visit(key >>> 3, first, end);
    at = end;
  }
}

/** A varint and where it ends; bits beyond 31 are dropped. */
function varint(bytes: Buffer, at: number, to: number): [value: number, end: number] {
  let value = 0;
  let next = at;
  for (let shift = 0; next < to; shift += 7) {
    const byte = bytes[next++] as number;
    if (shift < 28) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return [value, next];
}
