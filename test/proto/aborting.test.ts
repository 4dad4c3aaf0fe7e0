import { setImmediate as turn } from "node:timers/promises";
import { unlessAborted } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";

const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
let others: NodeJS.UnhandledRejectionListener[];

// vitest's own listener would fail the run, and not this test.
beforeEach(() => {
  others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", note);
  unhandled.length = 0;
});

afterEach(() => {
  process.off("unhandledRejection", note);
  for (const other of others) process.on("unhandledRejection", other);
});

test("work gives its result or its error, with a signal or without", async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  expect(await unlessAborted(Promise.resolve(2), undefined)).toBe(2);
  await expect(unlessAborted(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
});

test("an abort ends the wait with its reason; work that fails later is no unhandled rejection", async () => {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<number>();
  const waited = unlessAborted(promise, controller.signal);
  controller.abort(new Error("enough"));
  await expect(waited).rejects.toThrow("enough");
  reject(new Error("too late"));
  await turn();
  expect(unhandled).toEqual([]);
});

test("a signal that has aborted before waits for nothing, and leaves no unhandled rejection either", async () => {
  const signal = AbortSignal.abort(new Error("before"));
  const { promise, reject } = Promise.withResolvers<number>();
  await expect(unlessAborted(promise, signal)).rejects.toThrow("before");
  reject(new Error("too late"));
  await turn();
  expect(unhandled).toEqual([]);
});
