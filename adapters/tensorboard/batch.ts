/** Turns a batch of records into the bytes of events. */
import type { SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import type { Note } from "../notes.ts";
import { artifactText } from "./artifacts.ts";
import { addPoint, textEvent } from "./events.ts";
import type { Memo } from "./memo.ts";
import { RecordBuffer } from "./record-file.ts";
import { OWN, tagOf } from "./tags.ts";

/** Rough bytes of one point, for the first size of the buffer. */
const POINT_BYTES = 64;
const MAX_TAGS_KEPT = 10_000;

/** What a batch becomes. */
export interface Encoded {
  readonly bytes: Buffer;
  /** Params in it. */
  readonly params: Readonly<Record<string, string>>;
  /** What the memo says when the bytes are settled, their number aside. */
  readonly progress: Pick<Memo, "texts" | "timeUs" | "labelled">;
}

/** Encodes a batch. `tags` keeps the UTF-8 of tags from one call to the next. */
export function encodeBatch(
  batch: readonly SinkRecord[],
  run: SinkRun,
  before: Encoded["progress"],
  tags: Map<string, Buffer>,
  note: Note,
): Encoded {
  const buffer = new RecordBuffer(batch.length * POINT_BYTES);
  const params: [string, string][] = [];
  let { texts, timeUs, labelled } = before;
  for (const record of batch) {
    if (record.kind === "point") {
      timeUs = record.timeUs;
      checkPrecision(record.key, record.value, note);
      addPoint(buffer, tagBytes(record.key, tags, note), record.step, record.value, timeUs);
    } else if (record.kind === "params") {
      for (const param of Object.entries(record.params)) params.push(param);
    } else if (record.kind === "tags") {
      // The start's labels are in the file's head already.
      if (labelled || !sameLabels(record.tags, run.tags)) {
        for (const [name, text] of Object.entries(record.tags)) {
          buffer.add(textEvent(`${OWN}tags/${name}`, text, texts++, timeUs));
        }
      }
      labelled = true;
    } else {
      buffer.add(textEvent(`${OWN}artifacts/${record.name}`, artifactText(record), texts++, timeUs));
      note("TensorBoard keeps no files: artifacts are listed as texts below `pipekit/artifacts`.");
    }
  }
  return {
    bytes: buffer.written(),
    params: Object.fromEntries(params),
    progress: { texts, timeUs, labelled },
  };
}

function tagBytes(key: string, tags: Map<string, Buffer>, note: Note): Buffer {
  const known = tags.get(key);
  if (known !== undefined) return known;
  const tag = tagOf(key);
  if (tag !== key) note(`Metric \`${key}\` is shown as \`${tag}\`, since its name is taken.`);
  const bytes = Buffer.from(tag);
  if (tags.size < MAX_TAGS_KEPT) tags.set(key, bytes);
  return bytes;
}

/** Rounding to 7 digits is TensorBoard's way; a changed whole number or a lost magnitude is worth a word. */
function checkPrecision(key: string, value: number, note: Note): void {
  const shown = Math.fround(value);
  if (shown === value || Number.isNaN(value)) return;
  if (Number.isInteger(value) || !Number.isFinite(shown) || shown === 0) {
    note(
      `TensorBoard keeps 32-bit floats: whole numbers beyond 16777216 and magnitudes beyond 1e38 or below 1e-45, as in \`${key}\`, are shown changed.`,
    );
  }
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
