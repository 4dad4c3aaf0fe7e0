import { execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import type { AdapterMemo, SinkRun } from "@pipekit/adapters/tracker";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toolPath } from "../support/tools.ts";
import { sessionsOf } from "./sessions.ts";
import { CONTEXT, file, NEVER, newRun, point } from "./support.ts";

const END = { state: "completed", reason: "", endedAtUs: 1_770_000_000_000_000 } as const;
const PYTHON = toolPath("python");

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-clearml-offline-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function opened(run: SinkRun = newRun(), memo?: AdapterMemo) {
  const adapter = clearmlTracker.connect(`clearml+offline://${folder}?project=demo`, CONTEXT);
  const open = await adapter.open(run, memo, NEVER);
  if (open.status !== "ok") throw new Error(open.reason);
  const session = join(folder, open.remoteId);
  return { adapter, run, open, session, zip: `${session}.zip` };
}

const only = (runId: string) => {
  const sessions = sessionsOf(folder, runId);
  expect(sessions).toHaveLength(1);
  const [session] = sessions;
  if (session === undefined) throw new Error("There is none.");
  return session;
};

const steps = (runId: string) => only(runId).shown.points.map(({ step }) => step);

describe("the zip", () => {
  test("is whole for Python's reader, and leaves nothing else behind", async () => {
    const { adapter, run, open, zip } = await opened();
    const big = Buffer.alloc(3_000_000, "abc");
    const files = [file(folder, "src/big.bin", big, "big.bin"), file(folder, "src/empty", "", "sub/empty")];
    await adapter.send([{ kind: "artifact", name: "model", uri: "", files }, point("a", 0, 1)], NEVER);
    expect(existsSync(zip)).toBe(false);
    expect(await adapter.finish(END, NEVER)).toEqual({ status: "ok" });
    const script = `
import json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(json.dumps([z.testzip(), [[i.filename, i.file_size, i.compress_type, i.date_time[0]] for i in z.infolist()]]))`;
    const [bad, entries] = JSON.parse(execFileSync(PYTHON, ["-c", script, zip], { encoding: "utf8" }));
    expect(bad).toBeNull();
    const data = `data/demo/a run.${open.remoteId}/artifacts/model`;
    expect(entries).toEqual([
      [`${data}/big.bin`, 3_000_000, 0, 1980],
      [`${data}/sub/empty`, 0, 0, 1980],
      ["metrics.jsonl", expect.any(Number), 8, 1980],
      ["task.json", expect.any(Number), 8, 1980],
    ]);
    expect(only(run.runId).artifacts["model/big.bin"]).toBe(big.toString());
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("is made once: another end of the same kind leaves it, leftovers of killed attempts go", async () => {
    const { adapter, run, open, zip } = await opened();
    await adapter.send([point("a", 0, 1)], NEVER);
    writeFileSync(`${zip}.partial`, "half a zip");
    await adapter.finish(END, NEVER);
    const bytes = readFileSync(zip);
    const { ino } = statSync(zip);
    const next = await opened(run, adapter.takeMemo() ?? open.memo);
    expect(await next.adapter.finish(END, NEVER)).toEqual({ status: "ok" });
    expect(statSync(zip).ino).toBe(ino);
    expect(readFileSync(zip)).toEqual(bytes);
    expect(readdirSync(folder).filter((name) => name.includes("partial"))).toEqual([]);
  });

  test("goes when records come after it, and comes again with them", async () => {
    const { adapter, run, zip } = await opened();
    await adapter.send([point("a", 0, 1)], NEVER);
    await adapter.finish(END, NEVER);
    const saved = adapter.takeMemo();
    expect(saved).toMatchObject({ bytes: expect.any(Number), told: false });
    expect(await adapter.send([point("a", 1, 1)], NEVER)).toEqual({ status: "ok" });
    expect(existsSync(zip)).toBe(false);
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("made anew at the end")]);
    const next = await opened(run, adapter.takeMemo());
    await next.adapter.send([point("a", 2, 1)], NEVER);
    await next.adapter.finish(END, NEVER);
    expect(next.adapter.takeNotes()).toEqual([]);
    expect(existsSync(zip)).toBe(true);
    expect(steps(run.runId)).toEqual([0, 1, 2]);
  });

  test("takes longer than a call may: the next end waits for the same one", async () => {
    const { adapter, run, zip } = await opened();
    const files = [file(folder, "src/big", Buffer.alloc(40_000_000, 1), "")];
    await adapter.send([{ kind: "artifact", name: "big", uri: "", files }, point("a", 0, 1)], NEVER);
    const abort = new AbortController();
    const pending = adapter.finish(END, abort.signal);
    const seen = () =>
      readdirSync(folder).some((name) => name.startsWith("offline") && name.endsWith(".partial"));
    await expect.poll(seen, { interval: 1 }).toBe(true);
    abort.abort();
    expect(await pending).toMatchObject({ status: "retry" });
    expect(await adapter.finish(END, NEVER)).toEqual({ status: "ok" });
    expect(existsSync(zip)).toBe(true);
    expect(steps(run.runId)).toEqual([0]);
  });
});

test("kill -9 at any moment, again and again: the zip is there whole or not at all, and at last it is there", async () => {
  const run = newRun();
  const out = join(folder, "out");
  const write = () => {
    const script = join(import.meta.dirname, "offline-writer.ts");
    return fork(script, [folder, JSON.stringify(run), join(folder, "memo.json")], { stdio: "ignore" });
  };
  // Milliseconds after the child has told where it is.
  const kills = { writing: [20, 80, 200], ending: [0, 15, 40] };
  for (const [stage, times] of Object.entries(kills)) {
    let killed = 0;
    for (const afterMs of times) {
      const child = write();
      child.on("message", (message) => {
        if (message === stage) setTimeout(() => child.kill("SIGKILL"), afterMs);
      });
      const [, signal] = await once(child, "exit");
      if (signal === "SIGKILL") killed++;
      const zips = existsSync(out) ? readdirSync(out).filter((name) => name.endsWith(".zip")) : [];
      // That it is there tells that all of it is.
      if (zips.length > 0) expect(sessionsOf(out, run.runId)[0]?.arrivals).toHaveLength(6000);
    }
    expect(killed, stage).toBeGreaterThan(0);
  }
  expect(await once(write(), "exit")).toEqual([0, null]);
  const [session] = sessionsOf(out, run.runId);
  expect(session?.shown.state).toBe("completed");
  expect(session?.shown.params).toEqual({ lr: "0.1" });
  expect(session?.arrivals.map(({ step }) => step)).toEqual(Array.from({ length: 6000 }, (_, step) => step));
  expect(readdirSync(out)).toHaveLength(2);
}, 60_000);

describe("a session that someone else has changed", () => {
  test("cut in the middle of a line goes on at a whole one, and is told of", async () => {
    const { adapter, run, session } = await opened();
    await adapter.send([point("a", 0, 1), point("a", 1, 1)], NEVER);
    await adapter.send([point("a", 2, 1)], NEVER);
    const metrics = join(session, "metrics.jsonl");
    truncateSync(metrics, readFileSync(metrics).length - 20);
    expect(await adapter.send([point("a", 3, 1)], NEVER)).toEqual({ status: "ok" });
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("points that were in it are lost")]);
    await adapter.finish(END, NEVER);
    expect(steps(run.runId)).toEqual([0, 1, 3]);
  });

  test("removed in the middle of a run goes on with what comes, and is told of", async () => {
    const { adapter, run, session } = await opened(newRun({ tags: { team: "red" } }));
    await adapter.send([{ kind: "params", params: { a: "1" } }, point("a", 0, 1)], NEVER);
    rmSync(session, { recursive: true });
    await adapter.send([{ kind: "params", params: { b: "2" } }, point("a", 1, 1)], NEVER);
    expect(adapter.takeNotes()).toEqual([
      expect.stringContaining("points that were in it are lost"),
      expect.stringContaining("params, tags and artifacts that were in it are lost"),
    ]);
    await adapter.finish(END, NEVER);
    expect(only(run.runId).shown).toMatchObject({
      params: { b: "2" },
      tags: { team: "red" },
      state: "completed",
    });
    expect(steps(run.runId)).toEqual([1]);
  });

  test("with lines beyond the memo loses them, and with a broken task.json that", async () => {
    const { adapter, run, session, open } = await opened();
    await adapter.send([point("a", 0, 1)], NEVER);
    const memo = adapter.takeMemo() ?? open.memo;
    appendFileSync(join(session, "metrics.jsonl"), "[{half a li");
    writeFileSync(join(session, "task.json"), "{");
    const next = await opened(run, memo);
    await next.adapter.send([point("a", 1, 1)], NEVER);
    expect(next.adapter.takeNotes()).toEqual([expect.stringContaining("params, tags and artifacts")]);
    await next.adapter.finish(END, NEVER);
    expect(steps(run.runId)).toEqual([0, 1]);
  });
});

test("a symbolic link in place of the points is not followed", async () => {
  const { adapter, run, session, open } = await opened();
  await adapter.close();
  const target = join(folder, "precious");
  writeFileSync(target, "precious");
  rmSync(join(session, "metrics.jsonl"));
  execFileSync("ln", ["-s", target, join(session, "metrics.jsonl")]);
  const again = clearmlTracker.connect(`clearml+offline://${folder}?project=demo`, CONTEXT);
  expect(await again.open(run, open.memo, NEVER)).toMatchObject({ status: "retry" });
  expect(await again.open(run, undefined, NEVER)).toMatchObject({ status: "retry" });
  expect(readFileSync(target, "utf8")).toBe("precious");
});

test("an artifact that changed after it was logged is refused, and what is around it is kept", async () => {
  const { adapter, run } = await opened();
  const changed = { ...file(folder, "src/a", "abc", ""), sha256: "0".repeat(64) };
  const result = await adapter.send(
    [point("a", 0, 1), { kind: "artifact", name: "a", uri: "", files: [changed] }, point("a", 1, 1)],
    NEVER,
  );
  expect(result).toMatchObject({
    status: "permanent",
    rejected: [1],
    reason: expect.stringContaining("other bytes"),
  });
  expect(steps(run.runId)).toEqual([0, 1]);
});
