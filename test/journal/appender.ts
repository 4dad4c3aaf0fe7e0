/**
 * Appends to the journal in argv[2] until it is killed: frames of three writers of the run argv[3], each frame one
 * point whose value is its seq. Prints `writer seq` for each acknowledgement.
 */
import { writeSync } from "node:fs";
import { packRows } from "@pipekit/proto";
import { pino } from "pino";
import { openJournal } from "../../daemon/journal/index.ts";

const [, , stateFolder = "", runId = ""] = process.argv;
const journal = await openJournal({ stateFolder, log: pino({ level: "silent" }) });

async function write(writerId: string): Promise<void> {
  for (let seq = (await journal.lastSeq(writerId)) + 1; ; seq++) {
    const row = { keys: [writerId], step: seq, timeUs: seq, values: [seq] };
    const record = { record: { $case: "metrics" as const, value: packRows([row]) } };
    await journal.append({ writerId, seq, runId, records: [record] }, []);
    // Not through a stream: what is printed must be out before the process can die.
    writeSync(1, `${writerId} ${seq}\n`);
  }
}

await Promise.all(["a", "b", "c"].map(write));
