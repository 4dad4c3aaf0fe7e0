import { packRows } from "@pipekit/proto";
import { expect, test } from "vitest";
import { FAKE_PROPERTIES } from "../support/fake-tracker.ts";
import { endRecord, numbers, Room, startRecord } from "./room.ts";

const SPEC = "fake:a/x";

test("a run arrives whole and in order, is ended and reconciled", async () => {
  const room = new Room();
  await room.delivery.start();
  const config = '{"model":{"layers":[1,2],"name":"net"},"seed":null}';
  const start = startRecord("first", config, { team: "blue" });
  const artifact = {
    name: "plots",
    path: "",
    staged: false,
    uri: "",
    files: [{ path: "a.png", sha256: "ab", size: 3 }],
  };
  await room.append("run1", [start, room.metrics(30, 4)], [SPEC]);
  await room.append("run1", [
    { record: { $case: "params", value: { paramsJson: '{"extra":true}' } } },
    { record: { $case: "artifact", value: artifact } },
    room.metrics(250, 3),
    { record: { $case: "tags", value: { tags: { best: "yes" } } } },
  ]);
  await room.end("run1");
  await room.untilState("done", ["run1", SPEC]);

  const { records, end } = room.tracker.run("run1", SPEC);
  const others = records.filter((record) => record.kind !== "point");
  const files = [{ path: "a.png", sha256: "ab", size: 3, localPath: "/content/ab" }];
  expect(others).toEqual([
    { kind: "params", params: { "model.layers": "[1,2]", "model.name": "net", seed: "null" } },
    { kind: "tags", tags: { team: "blue" } },
    { kind: "params", params: { extra: "true" } },
    { kind: "artifact", name: "plots", files, uri: "" },
    { kind: "tags", tags: { best: "yes" } },
  ]);
  expect(records.findIndex((record) => record.kind === "artifact")).toBe(33);
  expect(room.tracker.values("run1", SPEC)).toEqual(numbers(280));
  expect(end).toEqual({ state: "completed", reason: "", endedAtUs: 99 });
  expect(room.tracker.calls.map(({ name }) => name).slice(-2)).toEqual(["finish", "count"]);
  expect(room.entry("run1", SPEC)).toMatchObject({
    pointsSent: 280,
    pointsDead: 0,
    pointsShown: 280,
    notes: [],
    remoteId: "tool-run1",
    memo: { remoteId: "tool-run1" },
  });
  expect(room.journal.faults).toEqual([]);
  await room.clock.flush();
  expect(room.tracker.openAdapters).toBe(0);
});

test("a backlog goes in batches of exactly maxPoints, across frames", async () => {
  const room = new Room();
  await room.start("r", [SPEC], "{}");
  for (let frame = 0; frame < 50; frame++) await room.log("r", 7, 2);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  const sizes = room.tracker.calls.filter(({ name }) => name === "send").map(({ batch }) => batch.length);
  expect(sizes).toEqual([100, 100, 100, 50]);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(350));
});

test("batches keep to maxRecords and maxBytes, and a record larger than that goes alone", async () => {
  const room = new Room();
  room.tracker.properties = { ...FAKE_PROPERTIES, maxRecords: 9, maxBytes: 600 };
  const params = (size: number) => {
    const paramsJson = JSON.stringify({ p: "x".repeat(size) });
    return { record: { $case: "params" as const, value: { paramsJson } } };
  };
  await room.append("r", [startRecord("r"), params(2000), params(10), room.metrics(20), params(900)], [SPEC]);
  await room.end("r");
  await room.delivery.start();
  await room.untilState("done", ["r", SPEC]);
  const batches = room.tracker.calls.filter(({ name }) => name === "send").map(({ batch }) => batch);
  const bytes = batches.map((batch) => JSON.stringify(batch).length);
  expect(Math.max(...batches.map((batch) => batch.length))).toBeLessThanOrEqual(9);
  expect(bytes.filter((size) => size > 700)).toHaveLength(2);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(20));
});

test("live points wait for company for the linger, and the end of the run flushes at once", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.clock.advance(1000);
  room.tracker.calls.length = 0;
  for (let i = 0; i < 10; i++) {
    await room.log("r", 1);
    await room.clock.advance(10);
  }
  expect(room.tracker.calls).toHaveLength(0);
  await room.clock.advance(150);
  expect(room.tracker.calls.map(({ batch }) => batch.length)).toEqual([10]);
  await room.log("r", 1);
  await room.clock.advance(10);
  expect(room.tracker.calls).toHaveLength(1);
  await room.end("r");
  await room.clock.flush();
  expect(room.tracker.calls.map(({ name }) => name)).toEqual(["send", "send", "finish", "count"]);
});

test("the next batch is read while one is in flight", async () => {
  const room = new Room();
  room.tracker.properties = { ...FAKE_PROPERTIES, maxPoints: 1000, maxRecords: 1000 };
  room.tracker.answer = ({ name }) => (name === "send" ? "hang" : "ok");
  await room.start("r", [SPEC], "{}");
  for (let frame = 0; frame < 9; frame++) await room.log("r", 1000);
  await room.delivery.start();
  await room.clock.flush();
  expect(room.tracker.running).toBe(1);
  // One read for the batch in flight, one for the next, and no more: memory is bounded.
  expect(room.journal.reads).toBe(2);
  await room.clock.advance(10_000);
  expect(room.journal.reads).toBe(2);
  await room.delivery.stop(0);
});

test("an end without points, a config without entries and an empty metrics record pass", async () => {
  const room = new Room();
  await room.delivery.start();
  const empty = { record: { $case: "metrics" as const, value: packRows([]) } };
  await room.append("r", [startRecord("r"), empty], [SPEC]);
  await room.append("r", [empty]);
  await room.append("r", [endRecord()]);
  await room.untilState("done", ["r", SPEC]);
  expect(room.tracker.calls.map(({ name }) => name)).toEqual(["open", "finish", "count"]);
  expect(room.entry("r", SPEC).cursor).toEqual({
    position: room.journal.frames.at(-1)?.position,
    offset: 0,
  });
});

test("a difference between journal and tool is named, key by key", async () => {
  const room = new Room();
  room.tracker.counts = () => ({ points: 498, byKey: { k0: 250, k1: 248 } });
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.log("r", 500, 2);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.entry("r", SPEC)).toMatchObject({
    pointsShown: 498,
    notes: ["Points differ: taken 500, shown 498.", "k1: journaled 250, shown 248"],
  });
});

test("a tool that cannot count gets a note instead of a figure", async () => {
  const room = new Room();
  room.tracker.counts = () => undefined;
  room.tracker.notes.push("Key `a b` is shown as `a_b`.");
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  const notes = ["Key `a b` is shown as `a_b`.", "The tool could not tell how many points it shows."];
  expect(room.entry("r", SPEC)).toMatchObject({ pointsShown: -1, notes });
});

test("a tool that keeps one point of a step is told from one that lost points", async () => {
  const room = new Room();
  room.tracker.properties = { ...FAKE_PROPERTIES, keepsEqualSteps: false };
  room.tracker.counts = () => ({ points: 4, byKey: { k0: 4 } });
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.log("r", 5);
  await room.end("r");
  await room.untilState("done", ["r", SPEC]);
  expect(room.entry("r", SPEC).notes).toEqual([
    "Points differ: taken 5, shown 4.",
    "k0: journaled 5, shown 4",
    "Of two points of one key and step the tool keeps the later.",
  ]);
});

test("an idle adapter is closed and opened again with its memo", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.log("r", 3);
  await room.clock.advance(1000);
  expect(room.tracker.openAdapters).toBe(1);
  await room.clock.advance(61_000);
  expect(room.tracker.openAdapters).toBe(0);
  await room.log("r", 3);
  await room.clock.advance(1000);
  expect(room.tracker.opened.map(({ memo }) => memo)).toEqual([undefined, { remoteId: "tool-r" }]);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(6));
});

test("whenDelivered and onChange tell what happens", async () => {
  const room = new Room();
  const changed = new Set<string>();
  room.delivery.onChange((runId) => changed.add(runId));
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.log("r", 5);
  expect(await room.delivery.pendingPoints()).toBe(5);
  const { signal } = new AbortController();
  const delivered = room.delivery.whenDelivered(60_000, signal);
  await room.clock.advance(1000);
  expect(await delivered).toBe(0);
  expect(changed).toEqual(new Set(["r"]));

  room.tracker.answer = () => "hang";
  await room.log("r", 4);
  const late = room.delivery.whenDelivered(2000, signal);
  await room.clock.advance(2000);
  expect(await late).toBe(4);
});

test("a journal that cannot save stops the sink, and it goes on without sending anything twice", async () => {
  const room = new Room();
  await room.delivery.start();
  await room.start("r", [SPEC]);
  await room.clock.advance(1000);
  room.journal.saveFault = new Error("disk full");
  await room.log("r", 250);
  await room.clock.advance(20_000);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(100));
  room.journal.saveFault = undefined;
  await room.clock.advance(60_000);
  expect(room.tracker.values("r", SPEC)).toEqual(numbers(250));
  expect(room.entry("r", SPEC)).toMatchObject({ pointsSent: 250, state: "idle" });
});
