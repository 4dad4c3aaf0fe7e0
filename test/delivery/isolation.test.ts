import { expect, test } from "vitest";
import { FAKE_PROPERTIES } from "../support/fake-tracker.ts";
import { numbers, Room } from "./room.ts";

const busy = { status: "retry", reason: "Busy." } as const;

test("a hanging sink delays neither another sink of the run nor another run at its own endpoint", async () => {
  const room = new Room();
  room.tracker.answer = ({ name, spec, runId }) =>
    name === "send" && spec === "fake:a/x" && runId === "bad" ? "deaf" : "ok";
  await room.delivery.start();
  await room.start("bad", ["fake:a/x", "fake:b/x"]);
  await room.start("good", ["fake:a/x"]);
  for (const runId of ["bad", "good"]) {
    await room.log(runId, 500);
    await room.end(runId);
  }
  await room.clock.advance(1000);
  expect(room.entry("bad", "fake:b/x").state).toBe("done");
  expect(room.entry("good", "fake:a/x").state).toBe("done");
  expect(room.entry("bad", "fake:a/x")).toMatchObject({ pointsSent: 0 });
});

test("of four sinks of one run one hangs, one fails and one is slow, and none delays another", async () => {
  const sinks = { hangs: "fake:h/x", fails: "fake:f/x", slow: "fake:s/x", fine: "fake:o/x" };
  const alone = new Room();
  const room = new Room();
  const took = async (one: Room, specs: string[]) => {
    one.tracker.answer = async ({ name, spec }) => {
      if (name === "send" && spec === sinks.hangs) return "deaf";
      if (name === "send" && spec === sinks.fails) return { status: "retry", reason: "HTTP 500." };
      const ms = spec === sinks.slow ? 2000 : 10;
      await new Promise((resolve) => one.clock.timer(ms, () => resolve(undefined)));
      return "ok";
    };
    const began = one.clock.now();
    const times = new Map<string, number>();
    one.delivery.onChange(() => {
      for (const { spec, state } of one.journal.sinkEntries.values()) {
        if (state === "done" && !times.has(spec)) times.set(spec, one.clock.now() - began);
      }
    });
    await one.delivery.start();
    await one.start("r", specs);
    await one.log("r", 2000);
    await one.end("r");
    await one.clock.advance(600_000);
    return times;
  };
  const fineAlone = (await took(alone, [sinks.fine])).get(sinks.fine);
  const times = await took(room, Object.values(sinks));
  expect(times.get(sinks.fine)).toBe(fineAlone);
  // 20 batches and more at two seconds each, and not a moment of another's.
  expect(times.get(sinks.slow)).toBeLessThan(50_000);
  for (const spec of [sinks.slow, sinks.fine]) expect(room.tracker.values("r", spec)).toEqual(numbers(2000));
  for (const spec of [sinks.hangs, sinks.fails]) {
    expect(room.entry("r", spec)).toMatchObject({ pointsSent: 0, pointsDead: 0, state: "retrying" });
    expect(room.entry("r", spec).retryAtUs).toBeGreaterThan(0);
  }
  expect(room.journal.faults).toEqual([]);
});

test("slow calls give their turns up, so that an endpoint full of hanging runs still takes the others", async () => {
  const room = new Room();
  room.tracker.answer = ({ name, runId }) => (name === "send" && runId.startsWith("bad") ? "deaf" : "ok");
  await room.delivery.start();
  for (const runId of ["bad1", "bad2", "bad3", "bad4", "good"]) await room.start(runId, ["fake:a/x"]);
  await room.clock.advance(9000);
  expect(room.tracker.run("good", "fake:a/x").records).toHaveLength(0);
  await room.clock.advance(1500);
  expect(room.tracker.run("good", "fake:a/x").records).toHaveLength(1);
});

test("many runs share few calls in fair turns, whatever their backlogs", async () => {
  const room = new Room({ limits: { concurrentCalls: 2 } });
  const runIds = numbers(12).map((i) => `run${i}`);
  for (const [index, runId] of runIds.entries()) {
    await room.start(runId, ["fake:a/x"], "{}");
    await room.log(runId, index === 0 ? 5000 : 300);
    await room.end(runId);
  }
  room.tracker.answer = async () => {
    await new Promise((resolve) => room.clock.timer(10, () => resolve(undefined)));
    return "ok" as const;
  };
  await room.delivery.start();
  await room.untilState("done", ...runIds.slice(1).map((runId) => [runId, "fake:a/x"] as [string, string]));
  expect(room.tracker.mostRunning).toBe(2);
  // While the others took 3 batches each, the long one was served no more often than its turn allows.
  expect(room.entry("run0", "fake:a/x").pointsSent).toBeLessThanOrEqual(800);
  await room.untilState("done", ["run0", "fake:a/x"]);
  expect(room.tracker.values("run0", "fake:a/x")).toEqual(numbers(5000));
  expect(room.journal.faults).toEqual([]);
});

test("all runs at an endpoint share its rate", async () => {
  const room = new Room();
  room.tracker.properties = { ...FAKE_PROPERTIES, requestsPerSecond: 5 };
  await room.delivery.start();
  for (const runId of ["r1", "r2", "r3"]) {
    await room.start(runId, ["fake:a/x"], "{}");
    await room.log(runId, 10_000);
  }
  await room.clock.advance(2000);
  const before = room.tracker.calls.length;
  await room.clock.advance(10_000);
  expect(room.tracker.calls.length - before).toBe(50);
});

test("an endpoint that is down is probed by one call at a time, and all runs go on when it is back", async () => {
  const room = new Room({ random: Math.random });
  const runIds = numbers(50).map((i) => `run${i}`);
  for (const runId of runIds) {
    await room.start(runId, ["fake:down/x", "fake:up/x"]);
    await room.end(runId);
  }
  let isDown = true;
  room.tracker.answer = ({ spec }) => (isDown && spec.startsWith("fake:down") ? busy : "ok");
  const downCalls = () => room.tracker.calls.filter(({ spec }) => spec === "fake:down/x").length;
  await room.delivery.start();
  await room.clock.advance(60_000);
  const before = downCalls();
  room.tracker.mostRunning = 0;
  await room.clock.advance(600_000);
  // 50 runs at 60 s would be 500 calls and more; a probe every 10 s at most, 5 s on average, is far below.
  expect(downCalls() - before).toBeLessThan(400);
  expect(downCalls() - before).toBeGreaterThan(20);
  expect(room.entry("run7", "fake:down/x")).toMatchObject({ state: "retrying" });
  expect(room.entry("run7", "fake:down/x").lastError).toContain("Busy.");
  for (const runId of runIds) expect(room.entry(runId, "fake:up/x").state).toBe("done");
  isDown = false;
  const isDone = (runId: string) => room.entry(runId, "fake:down/x").state === "done";
  await room.clock.until(() => runIds.some(isDone), 11_000);
  await room.clock.advance(3000);
  for (const runId of runIds) expect(room.entry(runId, "fake:down/x").state).toBe("done");
});

test("one failing run alone does not close the endpoint to a new run", async () => {
  const room = new Room();
  room.tracker.answer = ({ runId }) => (runId === "bad" ? busy : "ok");
  await room.delivery.start();
  await room.start("bad", ["fake:a/x"]);
  // Right after a failure, when an open breaker would let nobody through.
  await room.clock.until(() => room.tracker.calls.length === 9);
  await room.start("good", ["fake:a/x"]);
  await room.end("good");
  await room.clock.advance(1);
  expect(room.entry("good", "fake:a/x").state).toBe("done");
});

test("stop keeps its deadline while calls hang, and saves what was taken", async () => {
  for (const answer of ["hang", "deaf"] as const) {
    const room = new Room();
    room.tracker.properties = { ...FAKE_PROPERTIES, idempotentReplay: true };
    await room.start("r", ["fake:a/x"], "{}");
    await room.log("r", 1000);
    let sends = 0;
    room.tracker.answer = ({ name }) => (name === "send" && ++sends > 3 ? answer : "ok");
    await room.delivery.start();
    await room.clock.until(() => sends === 4);
    expect(room.entry("r", "fake:a/x").pointsSent).toBe(0);
    let stopped = false;
    const stop = room.delivery.stop(500).then(() => {
      stopped = true;
    });
    await room.clock.advance(500);
    expect(stopped).toBe(true);
    await stop;
    expect(room.entry("r", "fake:a/x").pointsSent).toBe(300);
    const calls = room.tracker.calls.length;
    await room.log("r", 10);
    await room.clock.advance(600_000);
    expect(room.tracker.calls.length).toBe(calls);
  }
});

test("ten thousand idle runs start without a call", async () => {
  const room = new Room();
  await room.start("one", ["fake:a/x"]);
  const one = room.entry("one", "fake:a/x");
  const cursor = { position: 7, offset: 0 };
  for (const number of numbers(10_000)) {
    const runId = `run${number}`;
    room.journal.sinkEntries.set(`${runId} fake:a/x`, { ...one, runId, cursor });
  }
  room.journal.sinkEntries.delete("one fake:a/x");
  await room.delivery.start();
  const { signal } = new AbortController();
  expect(await room.delivery.whenDelivered(1000, signal)).toBe(0);
  expect(room.journal.reads).toBe(10_000);
  expect(room.tracker.calls).toHaveLength(0);
  await room.delivery.stop(1000);
});
