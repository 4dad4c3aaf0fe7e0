import type { Client, Registry } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ModelIndex, View } from "../../daemon/view/index.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { seeded } from "../support/random.ts";
import { closeScene, openScene, Watched } from "./watched.ts";

let daemon: TestDaemon;
let client: Client;
let registry: Registry;
let view: View;

beforeEach(async () => {
  ({ daemon, client, view } = await openScene());
  registry = client.registry();
});

afterEach(() => closeScene({ daemon, client, view }));

async function store(n: number, name?: string): Promise<string> {
  const operator = { module: "my.models", class: `Net${n}`, config: { n } };
  return (await registry.store({ operator, weights: Buffer.from(`weights ${n}`), name })).model.hash;
}

/** Waits until an index shows it, by looks of its own. */
function seen(look: () => void): Promise<void> {
  return vi.waitFor(look, { timeout: 15_000, interval: 20 });
}

test("an index finds models by hash, prefix, tag and operator, newest first", async () => {
  const hashes = [await store(0, "production"), await store(1), await store(2, "staging")];
  const index = view.models("");
  expect([index.filled, index.size, index.tags()]).toEqual([false, 0, []]);
  await index.ready();
  expect([index.filled, index.size, index.registry]).toEqual([true, 3, ""]);
  expect(index.readAtUs / 1000).toBeGreaterThan(Date.now() - 60_000);
  expect(index.tags().map(({ name }) => name)).toEqual(["production", "staging"]);
  expect(index.tag("staging")).toMatchObject({ seq: 1, hash: hashes[2], previousHash: "" });
  expect(index.find("", 10).map(({ hash }) => hash)).toEqual(hashes.toReversed());
  expect(index.find("STAG", 10).map(({ hash }) => hash)).toEqual([hashes[2]]);
  expect(index.find("net1", 10)).toEqual([
    {
      hash: hashes[1],
      operator: "my.models.Net1",
      tags: [],
      weightsSize: 9,
      hasWeights: true,
      weightsFormat: "",
      createdAtUs: expect.any(Number),
      runId: "",
    },
  ]);
  const [first = ""] = hashes;
  expect(index.model(first.slice(0, 8))?.tags).toEqual(["production"]);
  expect([index.model(first.slice(0, 7)), index.model("0".repeat(64))]).toEqual([undefined, undefined]);
  const pages = await view.ask("pipekit/models", { limit: 2 });
  const rest = await view.ask("pipekit/models", { limit: 2, pageToken: pages.nextPageToken });
  expect([...pages.models, ...rest.models].map(({ hash }) => hash)).toEqual(hashes.toReversed());
  expect([pages.total, rest.nextPageToken]).toEqual([3, ""]);
  expect(await view.ask("pipekit/model", { ref: "production" })).toMatchObject({
    hash: first,
    operatorState: { class: "Net0" },
    trainingConfig: null,
  });
});

test("moves that others make are seen within moments, deletions and new models too", async () => {
  const [a, b] = [await store(0, "production"), await store(1)];
  const watched = new Watched(view);
  watched.session.watch();
  await watched.ask("pipekit/tags", {});
  await registry.tag(b, "production", { force: true, actor: "ada@host", reason: "better" });
  const moved = await watched.until("pipekit/tagMoved", ({ moves }) => moves[0]?.hash === b);
  expect(moved).toMatchObject({
    registry: "",
    moves: [{ name: "production", seq: 2, previousHash: a, actor: "ada@host", reason: "better" }],
  });
  expect(view.models("").model(b)?.tags).toEqual(["production"]);
  const c = await store(2, "fresh");
  await watched.until("pipekit/tagMoved", ({ moves }) => moves.some(({ name }) => name === "fresh"));
  // Read along with the tag that leads to it.
  expect(view.models("").model(c)).toMatchObject({ operator: "my.models.Net2", tags: ["fresh"] });
  await registry.deleteTag("fresh", { actor: "bob@host", reason: "no more" });
  const gone = await watched.until("pipekit/tagMoved", ({ moves }) => moves[0]?.hash === "");
  expect(gone.moves).toMatchObject([{ name: "fresh", seq: 2, actor: "bob@host", reason: "no more" }]);
  expect(view.models("").tag("fresh")).toBeUndefined();
  const untagged = await store(3);
  await seen(() => expect(view.models("").model(untagged)?.operator).toBe("my.models.Net3"));
  // Each move once, though it was looked at again and again.
  const told = watched.of("pipekit/tagMoved").flatMap(({ moves }) => moves);
  expect(told.map(({ name, seq }) => `${name}@${seq}`)).toEqual(["production@2", "fresh@1", "fresh@2"]);
});

test("what was read stays while the daemon is away, and is read anew when it is back", async () => {
  const [a, b] = [await store(0, "production"), await store(1)];
  const index = view.models("");
  await index.ready();
  await daemon.kill9();
  await seen(() => expect(view.link.status.state).toBe("unavailable"));
  expect([index.filled, index.tag("production")?.hash]).toEqual([true, a]);
  expect((await view.ask("pipekit/tags", {})).tags).toHaveLength(1);
  await expect(index.refresh()).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  await expect(view.ask("pipekit/resolve", { ref: "production" })).rejects.toMatchObject({
    code: "DAEMON_UNAVAILABLE",
  });
  daemon = await startDaemon({ home: daemon.home });
  await registry.tag(b, "production", { force: true });
  await seen(() => expect(index.tag("production")?.hash).toBe(b));
});

test("promote moves a tag only from where the person saw it", async () => {
  const [a, b, c] = [await store(0, "production"), await store(1), await store(2)];
  const watched = new Watched(view);
  watched.session.watch();
  const promote = (ref: string, expectedHash: string, tag = "production") =>
    watched.ask("pipekit/promote", { ref, tag, expectedHash, reason: "why not" });
  expect((await watched.ask("pipekit/tags", {})).tags).toMatchObject([{ hash: a }]);
  const { move } = await promote(b.slice(0, 12), a);
  expect(move).toMatchObject({ name: "production", seq: 2, hash: b, previousHash: a, reason: "why not" });
  expect(await watched.ask("pipekit/resolve", { ref: "production" })).toEqual({ hash: b, move });
  expect((await watched.ask("pipekit/tags", {})).tags).toEqual([move]);
  const conflict = { code: "TAG_CONFLICT", field: expect.any(String), message: expect.stringContaining(b) };
  await expect(promote(c, a)).rejects.toMatchObject(conflict);
  // It was not there when the person looked.
  await expect(promote(c, "")).rejects.toMatchObject({
    ...conflict,
    mend: expect.stringContaining("history"),
  });
  expect((await promote(c, "", "new")).move).toMatchObject({ name: "new", seq: 1, previousHash: "" });
  await expect(promote("no-such", b)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await expect(promote(c, b, "not/a/name")).rejects.toMatchObject({ code: "TAG_NAME_INVALID" });
  expect((await registry.history("production").next()).value).toMatchObject({ seq: 2 });
});

test("of many who promote at once from the same place one wins", async () => {
  const from = await store(0, "production");
  const hashes = await Promise.all([1, 2, 3, 4, 5].map((n) => store(n)));
  const sessions = hashes.map(() => new Watched(view));
  const all = await Promise.allSettled(
    hashes.map((ref, i) =>
      sessions[i]?.ask("pipekit/promote", { ref, tag: "production", expectedHash: from }),
    ),
  );
  expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const one of all) {
    if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "TAG_CONFLICT" });
  }
  expect(await Array.fromAsync(registry.history("production"))).toHaveLength(2);
});

test("rollback goes to where the daemon's own would", async () => {
  const hashes = [await store(0), await store(1), await store(2)];
  const next = seeded(7);
  const compared: [string, string][] = [];
  for (let round = 0; round < 8; round++) {
    const [ours, theirs] = [`ours-${round}`, `theirs-${round}`];
    let now = "";
    for (let i = 0; i < 7; i++) {
      const to = hashes[Math.floor(next() * 4)] ?? "";
      if (to === now || (to === "" && now === "")) continue;
      for (const tag of [ours, theirs]) {
        if (to === "") await registry.deleteTag(tag);
        else await registry.tag(to, tag, { force: true });
      }
      now = to;
    }
    const steps = 1 + Math.floor(next() * 4);
    const said = (move: Promise<{ hash: string; seq: number; reason: string }>) =>
      move.then(
        ({ hash, seq, reason }) => `${hash} ${seq} ${reason}`,
        ({ code }) => String(code),
      );
    compared.push([
      await said(
        view.ask("pipekit/rollback", { tag: ours, expectedHash: now, steps }).then(({ move }) => move),
      ),
      await said(registry.rollback(theirs, { steps })),
    ]);
  }
  for (const [ours, theirs] of compared) expect(ours).toBe(theirs);
  expect(new Set(compared.map(([said]) => said.slice(0, 5))).size).toBeGreaterThan(2);
});

test("rollback is made only from where the person saw the tag", async () => {
  const [a, b, c] = [await store(0, "production"), await store(1), await store(2)];
  await registry.tag(b, "production", { force: true });
  await registry.tag(c, "production", { force: true });
  const rollback = (expectedHash: string, more: { steps?: number; reason?: string } = {}) =>
    view.ask("pipekit/rollback", { tag: "production", expectedHash, ...more });
  await expect(rollback(b)).rejects.toMatchObject({ code: "TAG_CONFLICT", field: "tag" });
  await expect(rollback(c, { steps: 3 })).rejects.toMatchObject({ code: "REF_NOT_FOUND", field: "steps" });
  expect((await rollback(c, { steps: 2 })).move).toMatchObject({ hash: a, reason: "rollback to move 1" });
  expect((await rollback(a, { reason: "oh" })).move).toMatchObject({ seq: 5, hash: c, reason: "oh" });
});

test("history is read page by page, newest first", async () => {
  const [a, b] = [await store(0, "production"), await store(1)];
  for (let i = 0; i < 6; i++) await registry.tag(i % 2 === 0 ? b : a, "production", { force: true });
  const seqs: number[] = [];
  for (let pageToken = ""; ; ) {
    const page = await view.ask("pipekit/tagHistory", { name: "production", limit: 3, pageToken });
    seqs.push(...page.moves.map(({ seq }) => seq));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  expect(seqs).toEqual([7, 6, 5, 4, 3, 2, 1]);
  await expect(view.ask("pipekit/tagHistory", { name: "production", pageToken: "x" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "pageToken",
  });
});

test("each registry has an index of its own, and one that cannot be opened is a typed failure", async () => {
  const spec = `local:${daemon.home}/elsewhere`;
  const there = client.registry(spec);
  const { model } = await there.store({
    operator: { module: "m", class: "There", config: {} },
    name: "there",
  });
  expect((await view.ask("pipekit/tags", { registry: spec })).tags.map(({ name }) => name)).toEqual([
    "there",
  ]);
  expect((await view.ask("pipekit/tags", {})).tags).toEqual([]);
  const index: ModelIndex = view.models(spec);
  expect([index.registry, index.model(model.hash)?.operator]).toEqual([spec, "m.There"]);
  await expect(view.ask("pipekit/tags", { registry: "ftp://x" })).rejects.toMatchObject({
    code: "INVALID_REGISTRY_SPEC",
  });
  expect(view.models("ftp://x").filled).toBe(false);
});
