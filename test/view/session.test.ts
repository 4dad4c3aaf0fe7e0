import { once } from "node:events";
import type { Client } from "@pipekit/experiment";
import { EDITOR_PARAMS } from "@pipekit/proto/editor";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openView, type View } from "../../daemon/view/index.ts";
import type { TestDaemon } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";
import { closeScene, openScene, viewOf, Watched } from "./watched.ts";

let daemon: TestDaemon;
let client: Client;
let view: View;

beforeAll(async () => {
  ({ daemon, client, view } = await openScene());
});

afterAll(() => closeScene({ daemon, client, view }));

test("what comes from outside is checked, and the failure names the param", async () => {
  const { session } = new Watched(view);
  const wrong: [string, unknown, string][] = [
    ["pipekit/nothing", {}, "method"],
    ["toString", {}, "method"],
    ["__proto__", {}, "method"],
    ["pipekit/runs", { limit: 0 }, "limit"],
    ["pipekit/runs", { limt: 5 }, "limt"],
    ["pipekit/runs", [], "params"],
    ["pipekit/runs", "all", "params"],
    ["pipekit/run", {}, "runId"],
    ["pipekit/metrics", { runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV", keys: ["a", 7] }, "keys.1"],
    ["pipekit/promote", { ref: "a", tag: "b" }, "expectedHash"],
    ["pipekit/models", { pageToken: "garbage" }, "pageToken"],
  ];
  for (const [method, params, field] of wrong) {
    await expect(session.request(method, params), method).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      field,
      mend: expect.stringMatching(/./),
    });
  }
});

test("nothing that is asked gives anything but a result or a typed failure", async () => {
  const { session } = new Watched(view);
  const method = fc.constantFrom(...Object.keys(EDITOR_PARAMS), "pipekit/other");
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.jsonValue(),
    fc.constant("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
  );
  const names = ["runId", "registry", "ref", "tag", "name", "expectedHash", "limit", "pageToken", "follow"];
  const params = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...names), value));
  await fc.assert(
    fc.asyncProperty(method, params, async (asked, given) => {
      const failure = await session.request(asked, given).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure !== undefined)
        expect(failure).toMatchObject({ name: "PipekitError", code: expect.any(String) });
    }),
    { numRuns: 300 },
  );
});

test("whoever may only look changes nothing", async () => {
  const looking = viewOf(daemon, { mayChange: false });
  expect(await looking.ask("pipekit/daemon", {})).toMatchObject({ state: "connected", mayChange: false });
  const operator = { module: "m", class: "Kept", config: {} };
  const { hash } = (await client.registry().store({ operator, name: "kept" })).model;
  const refused = { code: "INVALID_ARGUMENT", message: expect.stringContaining("only look") };
  await expect(
    looking.ask("pipekit/promote", { ref: hash, tag: "other", expectedHash: "" }),
  ).rejects.toMatchObject(refused);
  await expect(looking.ask("pipekit/rollback", { tag: "kept", expectedHash: hash })).rejects.toMatchObject(
    refused,
  );
  await expect(looking.ask("pipekit/redrive", { runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" })).rejects.toMatchObject(
    refused,
  );
  expect((await looking.ask("pipekit/tags", {})).tags.map(({ name }) => name)).toEqual(["kept"]);
  looking.close();
});

test("sessions are told apart, and one that fails to listen does not stop the others", async () => {
  const one = new Watched(view);
  const other = new Watched(view);
  const silent = new Watched(view);
  const warned = once(process, "warning");
  const broken = view.session(() => {
    throw new Error("a face with a defect");
  });
  broken.watch();
  one.session.watch();
  one.session.watch();
  other.session.watch();
  const run = await client.startRun({ name: "seen by two" });
  for (const watched of [one, other]) {
    await watched.until("pipekit/runStatus", ({ runs }) => runs.some(({ runId }) => runId === run.runId));
    expect(watched.of("pipekit/runStatus").filter(({ all }) => all)).toHaveLength(1);
    expect(watched.of("pipekit/daemonStatus").length).toBeGreaterThan(0);
  }
  expect(silent.told).toEqual([]);
  expect(await warned).toMatchObject([{ message: "a face with a defect" }]);
  broken.close();
  other.session.close();
  const known = other.told.length;
  await run.end();
  await one.until("pipekit/runStatus", ({ runs }) => runs.some(({ state }) => state === "completed"));
  expect(other.told).toHaveLength(known);
});

test("a cancelled request ends with the signal's reason", async () => {
  const { session } = new Watched(view);
  const cancelled = new AbortController();
  const run = await client.startRun({ name: "long" });
  const asked = session.request("pipekit/metrics", { runId: run.runId }, cancelled.signal);
  cancelled.abort(new Error("changed my mind"));
  await expect(asked).rejects.toThrow("changed my mind");
  await expect(session.request("pipekit/daemon", {}, cancelled.signal)).rejects.toThrow("changed my mind");
});

test("texts of users are data, and only addresses of the web are addresses", async () => {
  const name = '<script>alert(1)</script> "\u202e\\';
  const run = await client.startRun({ name, tags: { "<b>": "</b>" } });
  await run.end("failed", { reason: "<img src=x>" });
  expect(await view.ask("pipekit/run", { runId: run.runId })).toMatchObject({
    name,
    reason: "<img src=x>",
    tags: { "<b>": "</b>" },
  });
});

test("dead letters are read behind an id, so many at a time, and sent once more", async () => {
  const fake = await new FakeDaemon().start();
  const run = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  const letter = (id: number) => ({
    id,
    spec: "fake:a",
    kind: "metrics",
    points: 3,
    reason: "no",
    atUs: 5,
    runId: run,
  });
  fake.tracker.letters = [1, 2, 3, 4, 5].map((id) => ({ letter: letter(id), lines: [] }));
  const other = openView({ endpoint: fake.endpoint });
  expect(await other.ask("pipekit/deadLetters", { afterId: 1, limit: 2 })).toEqual({
    deadLetters: [letter(2), letter(3)],
    more: true,
  });
  expect(await other.ask("pipekit/deadLetters", { afterId: 3, limit: 2 })).toMatchObject({ more: false });
  await other.ask("pipekit/redrive", { runId: run, ids: [4] });
  expect(fake.tracker.redrives).toMatchObject([{ runId: run, ids: [4] }]);
  other.close();
  fake.remove();
});
