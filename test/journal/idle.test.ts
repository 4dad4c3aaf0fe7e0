import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { expect, onTestFinished, test, vi } from "vitest";
import { startRun, tempJournal } from "./fixture.ts";

test("the reader's thread starts with the first long question, ends when idle and starts again", async () => {
  const started: Worker[] = [];
  const note = (worker: Worker) => started.push(worker);
  process.on("worker", note);
  onTestFinished(() => void process.off("worker", note));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const journal = await tempJournal();
  const { runId } = await startRun(journal);
  await journal.run(runId);
  expect(started).toHaveLength(1);
  expect(await journal.runs({ limit: 9 })).toHaveLength(1);
  expect(started).toHaveLength(2);
  vi.advanceTimersByTime(29_000);
  await journal.runs({ limit: 9 });
  vi.advanceTimersByTime(29_000);
  const [, reader] = started;
  if (reader === undefined) throw new Error("no reader");
  const exited = once(reader, "exit");
  vi.advanceTimersByTime(1_000);
  await exited;
  expect(await journal.runs({ limit: 9 })).toHaveLength(1);
  expect(started).toHaveLength(3);
});
