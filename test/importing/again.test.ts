/** Imports that are broken off, repeated, done twice at once, or asked for from another host. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { TrackerServiceService } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addPoint, versionEvent } from "../../adapters/tensorboard/events.ts";
import { RecordBuffer } from "../../adapters/tensorboard/record-file.ts";
import { checkFromAfar } from "../../daemon/rpc/host-bound.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { GROWN, importAll, NEW, pointsOf } from "./support.ts";

const T0 = 1_700_000_000_000_000;

let home: string;
let daemon: TestDaemon;
let client: Client;
const reconnect = async (): Promise<void> => {
  daemon = await startDaemon({ home: join(home, "d") });
  client = await connect({ endpoint: daemon.endpoint });
};
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-imp-"));
  await reconnect();
});
afterEach(async () => {
  client.close();
  await daemon.stop();
  rmSync(home, { recursive: true, force: true });
});

/** Event files as TensorBoard has them: `runs` folders, with points of two keys from one step on to another. */
function writeEvents(root: string, run: string, from: number, to: number, part = "0"): void {
  const buffer = new RecordBuffer(1 << 20);
  buffer.add(versionEvent(T0));
  for (let step = from; step < to; step++) {
    for (const key of ["a", "b"]) addPoint(buffer, Buffer.from(key), step, step % 1024, T0 + step * 1000);
  }
  mkdirSync(join(root, run), { recursive: true });
  writeFileSync(join(root, run, `events.out.tfevents.170000000${part}.host.1.0`), buffer.written());
}

function expected(to: number) {
  const series = Array.from({ length: to }, (_, step) => [step, step % 1024, T0 + step * 1000]);
  return { a: series, b: series };
}

test("kill -9 of the daemon in the middle, and the import again: every point once", async () => {
  const events = join(home, "events");
  const steps = 60_000;
  for (const run of ["one", "two"]) writeEvents(events, run, 0, steps);
  const broken = (async () => {
    for await (const progress of client.delivery.importRuns(events)) {
      if (progress.pointsTaken > 0 && !progress.done) return progress.pointsTaken;
    }
    throw new Error("It was done before it could be broken off.");
  })();
  expect(await broken).toBeGreaterThan(0);
  await daemon.kill9();
  client.close();
  await reconnect();
  const half = [];
  for await (const run of client.listRuns()) half.push(run.points);
  expect(half.reduce((sum, points) => sum + points, 0)).toBeLessThan(steps * 4);
  const imported = await importAll(client, events);
  expect(imported.outcomes).toHaveLength(2);
  expect(imported.pointsRead).toBe(steps * 4);
  for (const { runId } of imported.runs.values()) {
    expect((await client.getRun(runId)).points).toBe(steps * 2);
    for (const { steps: all, values } of await client.readSeries(runId)) {
      expect(all).toHaveLength(steps);
      expect(all.every((step, i) => step === i && values[i] === i % 1024)).toBe(true);
    }
  }
  expect((await importAll(client, events)).pointsTaken).toBe(0);
});

test("two imports at once, and files that grow before and behind others, double nothing", async () => {
  const events = join(home, "events");
  // The file that is read first grows last.
  writeEvents(events, "run", 0, 100, "1");
  writeEvents(events, "run", 1000, 2000, "2");
  const both = await Promise.all([importAll(client, events), importAll(client, events)]);
  expect(both.map(({ pointsTaken }) => pointsTaken).sort((a, b) => a - b)).toEqual([0, 2200]);
  writeEvents(events, "run", 0, 1000, "1");
  const grown = await importAll(client, events);
  expect(grown.runs.get("run")).toMatchObject({ outcome: GROWN, pointsTaken: 1800 });
  const runId = grown.runs.get("run")?.runId ?? "";
  const points = await pointsOf(client, runId);
  expect(points["a"]?.toSorted((a, b) => a[0] - b[0])).toEqual(expected(2000).a);
});

test("a run that cannot be read stops no other", async () => {
  const events = join(home, "events");
  writeEvents(events, "good", 0, 10);
  mkdirSync(join(events, "empty"));
  writeFileSync(join(events, "empty/events.out.tfevents.1700000000.host.1.0"), "");
  mkdirSync(join(events, "noise"));
  writeFileSync(join(events, "noise/events.out.tfevents.1700000000.host.1.0"), Buffer.alloc(1000, 7));
  const imported = await importAll(client, events);
  expect(imported.runs.get("good")).toMatchObject({ outcome: NEW, pointsTaken: 20 });
  expect(imported.notes.some((note) => note.includes("noise") && note.includes("torn or damaged"))).toBe(
    true,
  );
});

test("from another host, folders and files are refused, and servers are not", () => {
  const { path } = TrackerServiceService.importRuns;
  const ask = (source: string) => () => checkFromAfar(path, { source, sinks: [], tracker: "", only: [] });
  for (const source of ["/home/me/mlruns", "sqlite:////x.db", "wandb+offline:///x", "tensorboard:///x"]) {
    expect(ask(source)).toThrow(/not for callers over TCP/);
  }
  expect(ask("mlflow+http://h:5000/x?token=file:/etc/passwd")).toThrow(/not for callers over TCP/);
  expect(ask("mlflow+http://h:5000")).not.toThrow();
});
