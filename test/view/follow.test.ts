import type { Client } from "@pipekit/experiment";
import { PipekitError } from "@pipekit/proto";
import type { EditorNotifications } from "@pipekit/proto/editor";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Follow } from "../../daemon/view/follow.ts";
import type { View } from "../../daemon/view/index.ts";
import type { Link } from "../../daemon/view/link.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { closeScene, followed, openScene, Watched } from "./watched.ts";

let daemon: TestDaemon;
let client: Client;
let view: View;

beforeEach(async () => {
  ({ daemon, client, view } = await openScene());
});

afterEach(() => closeScene({ daemon, client, view }));

const upTo = (end: number) => Array.from({ length: end }, (_, i) => i);

/** Waits until the points told make up the whole series. */
async function whole(
  watched: Watched,
  first: Parameters<typeof followed>[0],
  values: number[],
): Promise<void> {
  await vi.waitFor(
    () =>
      expect(followed(first, watched.of("pipekit/points")).get("loss")?.length).toBeGreaterThanOrEqual(
        values.length,
      ),
    { timeout: 20_000, interval: 20 },
  );
  expect(followed(first, watched.of("pipekit/points")).get("loss")).toEqual(values);
}

test("points come as they are logged, merged, and none twice", async () => {
  const run = await client.startRun({ name: "fast" });
  for (const value of upTo(50)) run.log({ loss: value });
  await run.flush();
  const watched = new Watched(view);
  const first = await watched.ask("pipekit/follow", { runId: run.runId });
  expect(first.series).toMatchObject([{ key: "loss", values: upTo(50), pointsInRange: 50 }]);
  const begun = performance.now();
  for (let i = 50; i < 1000; i++) {
    run.log({ loss: i });
    if (i % 10 === 0) await run.flush();
  }
  await run.end();
  await whole(watched, first, upTo(1000));
  const told = watched.of("pipekit/points");
  expect(told.length).toBeLessThanOrEqual(2 + (performance.now() - begun) / 100);
  expect(told.some(({ restart }) => restart)).toBe(false);
});

test("over a kill -9 of the daemon in the middle nothing is doubled or lost", async () => {
  const run = await client.startRun({ name: "killed" });
  const watched = new Watched(view);
  watched.session.watch();
  run.log({ loss: 0 });
  await run.flush();
  const first = await watched.ask("pipekit/follow", { runId: run.runId });
  let next = 1;
  for (let round = 0; round < 3; round++) {
    // Some of it is on its way when the daemon dies.
    for (let i = 0; i < 300; i++) run.log({ loss: next++ });
    if (round > 0) await run.flush();
    for (let i = 0; i < 300; i++) run.log({ loss: next++ });
    await daemon.kill9();
    for (let i = 0; i < 50; i++) run.log({ loss: next++ });
    await vi.waitFor(() => expect(view.link.status.state).toBe("unavailable"), { interval: 5 });
    daemon = await startDaemon({ home: daemon.home });
  }
  await run.end();
  await whole(watched, first, upTo(next));
  expect(watched.of("pipekit/points").some(({ restart }) => restart)).toBe(true);
});

test("points that wait to be told when the series stand anew are not told after them", async () => {
  const part = (...values: number[]) => {
    const column = Float64Array.from(values);
    return [{ key: "loss", steps: column, values: column, timesUs: column, pointsInRange: values.length }];
  };
  const again = Promise.withResolvers<void>();
  async function* first() {
    yield { series: part(0), live: false, restart: true };
    yield { series: [], live: true, restart: false };
    yield { series: part(1), live: true, restart: false };
    yield { series: part(2), live: true, restart: false };
    throw new PipekitError("DAEMON_UNAVAILABLE", "It broke off.");
  }
  async function* second() {
    yield { series: part(0, 1), live: false, restart: true };
    yield { series: part(2), live: false, restart: false };
    yield { series: part(3), live: true, restart: false };
    again.resolve();
    await new Promise<never>(() => undefined);
  }
  const streams = [first, second];
  const connected = {
    client: { watchMetrics: () => streams.shift()?.() },
    lost: new AbortController().signal,
  };
  // No clock but this one: the first points are told at once, the next ones would be 100 ms later.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const link = { connected: async () => connected, next: async () => connected, drop: () => undefined };
  const told: EditorNotifications["pipekit/points"][] = [];
  const options = {
    follow: "f",
    runId: "r",
    keys: [],
    maxPoints: 10,
    tell: (points: (typeof told)[0]) => told.push(points),
  };
  const follow = new Follow(link as unknown as Link, options);
  const series = await follow.begin();
  await again.promise;
  await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  follow.close();
  expect(followed({ follow: "f", runId: "r", series }, told).get("loss")).toEqual([0, 1, 2, 3]);
});

test("only the keys asked for come, and a flood is thinned out with its peaks kept", async () => {
  const run = await client.startRun({ name: "flood" });
  run.log({ a: 1, b: 2, loss: 3 });
  await run.flush();
  const watched = new Watched(view);
  const first = await watched.ask("pipekit/follow", { runId: run.runId, keys: ["b", "loss"], maxPoints: 10 });
  expect(first.series.map(({ key }) => key)).toEqual(["b", "loss"]);
  for (let i = 0; i < 5_000; i++) run.log({ a: i, loss: i === 2_345 ? 1e9 : i });
  await run.end();
  const count = () =>
    watched
      .of("pipekit/points")
      .flatMap(({ series }) => series)
      .reduce((sum, one) => sum + one.pointsInRange, 0);
  await vi.waitFor(() => expect(count()).toBe(5_000), { timeout: 15_000 });
  const told = watched.of("pipekit/points").flatMap(({ series }) => series);
  expect(new Set(told.map(({ key }) => key))).toEqual(new Set(["loss"]));
  for (const { steps, values, timesUs } of told) {
    expect(values.length).toBeLessThanOrEqual(10);
    expect([steps.length, timesUs.length]).toEqual([values.length, values.length]);
  }
  expect(told.flatMap(({ values }) => values)).toContain(1e9);
  expect(told.flatMap(({ values }) => values)).toContain(4_999);
});

test("a session follows 20 runs at most, each until it is let go; closing ends all", async () => {
  const run = await client.startRun({ name: "many" });
  const watched = new Watched(view);
  const follows = await Promise.all(
    upTo(20).map(async () => (await watched.ask("pipekit/follow", { runId: run.runId })).follow),
  );
  expect(new Set(follows).size).toBe(20);
  await expect(watched.ask("pipekit/follow", { runId: run.runId })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await watched.ask("pipekit/unfollow", { follow: follows[0] ?? "" });
  await watched.ask("pipekit/unfollow", { follow: "none of ours" });
  const other = new Watched(view);
  const { follow } = await other.ask("pipekit/follow", { runId: run.runId });
  run.log({ loss: 1 });
  await run.flush();
  await other.until("pipekit/points", (points) => points.follow === follow);
  await vi.waitFor(() => expect(watched.of("pipekit/points")).toHaveLength(19));
  expect(watched.of("pipekit/points").map((points) => points.follow)).not.toContain(follows[0]);
  watched.session.close();
  run.log({ loss: 2 });
  await run.flush();
  await other.until("pipekit/points", ({ series }) => series[0]?.values.at(-1) === 2);
  expect(watched.of("pipekit/points")).toHaveLength(19);
  await expect(watched.ask("pipekit/runs", {})).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
});

test("what cannot be followed is a typed failure and leaves nothing behind", async () => {
  const watched = new Watched(view);
  for (let i = 0; i < 25; i++) {
    await expect(
      watched.ask("pipekit/follow", { runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }),
    ).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  }
  const cancelled = new AbortController();
  const run = await client.startRun({ name: "not now" });
  const asked = watched.ask("pipekit/follow", { runId: run.runId }, cancelled.signal);
  cancelled.abort(new Error("never mind"));
  await expect(asked).rejects.toThrow("never mind");
  await daemon.kill9();
  await expect(watched.ask("pipekit/follow", { runId: run.runId })).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
  });
});
