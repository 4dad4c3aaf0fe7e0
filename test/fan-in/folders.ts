/** What journals of state folders hold, and how they compare. */
import { join } from "node:path";
import { Frame } from "@pipekit/proto";
import { pino } from "pino";
import { openForeignJournal } from "../../daemon/journal/index.ts";

const log = pino({ level: "silent" });

/** Frames by writer and seq, without the process ids that mean nothing elsewhere. Throws where one is there twice. */
export async function framesIn(stateFolder: string): Promise<Map<string, string>> {
  const journal = await openForeignJournal(join(stateFolder, "journal.db"), log);
  const found = new Map<string, string>();
  try {
    for (let after = 0; ; ) {
      const frames = await journal.frames(after, 1000);
      if (frames.length === 0) return found;
      for (const { position, frame } of frames) {
        const key = `${frame.writerId} ${frame.seq}`;
        if (found.has(key)) throw new Error(`${key} is there twice`);
        found.set(key, contentOf(frame));
        after = position;
      }
    }
  } finally {
    await journal.close();
  }
}

/** The frames of several folders together. */
export async function union(stateFolders: readonly string[]): Promise<Map<string, string>> {
  const all = await Promise.all(stateFolders.map(framesIn));
  return sorted(new Map(all.flatMap((frames) => [...frames])));
}

export function sorted(frames: ReadonlyMap<string, string>): Map<string, string> {
  return new Map([...frames].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function contentOf(frame: Frame): string {
  const records = frame.records.map((one) => {
    if (one.record?.$case !== "start") return one;
    return { record: { $case: "start" as const, value: { ...one.record.value, pid: 0 } } };
  });
  return Buffer.from(Frame.encode({ ...frame, records }).finish()).toString("base64");
}
