/**
 * What a backup costs those who log, and how fast it is: `node test/bench/backup.ts [MB of journal] [MB of artifacts]`. A frame
 * of 1000 points at a time is appended and acknowledged (fsync) over the socket, first alone, then beside a backup to a folder
 * on the same disk (hard links), to a tar, and, when $PKX_BENCH_OTHER_DISK names a folder there, to another disk.
 */
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { connect } from "@pipekit/experiment";
import { packRows, RunStart, TrackerServiceClient } from "@pipekit/proto";
import { pino } from "pino";
import { ulid } from "ulid";
import { openJournal } from "../../daemon/journal/index.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { machine, residentBytes } from "./machine.ts";
import { quantile } from "./report.ts";

const [journalMb = 512, artifactMb = 512] = process.argv.slice(2).map(Number);
const POINTS = 1000;
const QUIET_MS = 5000;
const home = temporaryHome();
mkdirSync(join(home, "state"), { mode: 0o700 });

function rows(seq: number) {
  return packRows(
    Array.from({ length: POINTS }, (_, i) => ({
      keys: ["a"],
      step: seq * POINTS + i,
      timeUs: i,
      values: [Math.random()],
    })),
  );
}

function startOf() {
  return {
    record: {
      $case: "start",
      value: RunStart.fromPartial({ name: "bench", startedAtUs: Date.now() * 1000 }),
    },
  } as const;
}

async function fill(): Promise<void> {
  const journal = await openJournal({ stateFolder: join(home, "state"), log: pino({ level: "silent" }) });
  const ids = { runId: ulid(), writerId: ulid() };
  await journal.append({ ...ids, seq: 1, records: [startOf()] }, []);
  const bytes = POINTS * 28;
  let pending: Promise<unknown>[] = [];
  for (let seq = 2; seq * bytes < journalMb * 1e6; seq++) {
    pending.push(
      journal.append({ ...ids, seq, records: [{ record: { $case: "metrics", value: rows(seq) } }] }, []),
    );
    if (pending.length === 500) {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
  await journal.close();
}

console.log(machine());
await fill();
const daemon = await startDaemon({ home, args: ["--idle-exit-s", "0"] });
const client = await connect({ env: daemon.clientEnv, start: false });
await client.withRun({ name: "files" }, async (run) => {
  for (let i = 0; i < artifactMb / 64; i++) {
    const file = join(home, `file-${i}`);
    writeFileSync(file, randomFillSync(Buffer.alloc(64e6)));
    await run.logArtifact(file, `file-${i}`, { timeoutMs: 600_000 });
    rmSync(file);
  }
});

const raw = new TrackerServiceClient(daemon.endpoint, credentials.createInsecure());
const ids = { runId: ulid(), writerId: ulid() };
const stream = raw.log();
let seq = 0;
async function append(): Promise<number> {
  const records = seq === 0 ? [startOf()] : [{ record: { $case: "metrics", value: rows(seq) } } as const];
  const begun = performance.now();
  stream.write({ frame: { ...ids, seq: ++seq, records } });
  await once(stream, "data");
  return performance.now() - begun;
}

/** Appends until `over`; returns a line of figures. */
async function appendUntil(over: () => boolean): Promise<string> {
  const times: number[] = [];
  while (!over()) times.push(await append());
  const at = (share: number) => quantile(times, share).toFixed(2);
  const memory = `${(residentBytes(daemon.pid) / 1e6).toFixed(0)} MB resident`;
  return `${memory}; ${times.length} appends, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}

async function beside(name: string, path: string): Promise<void> {
  let made: Awaited<ReturnType<typeof client.backup>> | undefined;
  const begun = performance.now();
  let seconds = 0;
  const making = client.backup(path).then((answer) => {
    made = answer;
    seconds = (performance.now() - begun) / 1000;
  });
  const line = await appendUntil(() => made !== undefined);
  await making;
  const size = (made?.bytes ?? 0) / 1e6;
  console.log(
    `${name}: ${seconds.toFixed(1)} s for ${size.toFixed(0)} MB (${(size / seconds).toFixed(0)} MB/s); ${line}`,
  );
  rmSync(path, { recursive: true, force: true });
}

const quiet = async () => {
  const end = performance.now() + QUIET_MS;
  console.log(`alone: ${await appendUntil(() => performance.now() > end)}`);
};
await quiet();
await beside("folder, same disk", join(home, "b"));
await beside("tar, same disk", join(home, "b.tar"));
const other = process.env["PKX_BENCH_OTHER_DISK"];
if (other !== undefined) await beside("folder, other disk", join(other, `pkx-bench-${process.pid}`));
await quiet();
stream.end();
await once(stream, "end");
raw.close();
client.close();
await daemon.stop();
rmSync(home, { recursive: true, force: true });
