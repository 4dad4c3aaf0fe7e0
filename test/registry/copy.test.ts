/** Copies that are cut off, raced and damaged. */
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BackendUnavailable } from "@pipekit/adapters/registry";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import { COPY, fill, historyOf, told } from "../contract/registry-copy.ts";
import {
  inProcess,
  move,
  never,
  type RegistryFixture,
  registriesAt,
  storeText,
} from "../contract/registry-harness.ts";
import { Died, DyingRegistry } from "../support/dying-registry.ts";
import { remoteFixture } from "../support/remote-registry.ts";

let fixture: RegistryFixture;
let source: Registry;

beforeEach(async () => {
  fixture = await inProcess();
  source = fixture.registry;
});
afterEach(() => fixture.close());

const sourceFile = (...path: string[]): string => join(fixture.root, ...path);

async function problemsOf(registry: Registry): Promise<string[]> {
  return (await Array.fromAsync(registry.verify([], never))).flatMap(({ problems }) => problems);
}

/** A target that dies, on a folder of its own. */
function dyingTarget(name: string): { dying: DyingRegistry; open: () => Promise<Registry> } {
  const dying = new DyingRegistry();
  const place = { kinds: [dying], env: process.env };
  const open = () => registriesAt(place, `local:${join(fixture.scratch, name)}`, fixture.staging).open("");
  return { dying, open };
}

test("a copy that dies at any write is taken up by the next one", { timeout: 120_000 }, async () => {
  const { a } = await fill(source);
  for (let i = 0; i < 3; i++)
    await source.tag(move("stage", a, { force: i % 2 === 0 }), never).catch(() => undefined);
  const moves = await historyOf(source, "stage");
  for (let writes = 0; ; writes++) {
    const { dying, open } = dyingTarget(`target-${writes}`);
    const target = await open();
    dying.left = writes;
    const died = await told(source.copyTo(target, COPY, never)).then(
      () => false,
      (error: unknown) => {
        expect(error).toBeInstanceOf(Died);
        return true;
      },
    );
    dying.left = Number.POSITIVE_INFINITY;
    const after = await open();
    // What can be seen is whole; log entries whose tag has not moved yet are told as what they are.
    for (const problem of await problemsOf(after)) {
      expect(problem).toMatch(/a copy that was cut off|history of a tag that is not there/);
    }
    // Nor are they in a collector's way.
    const collected = await Array.fromAsync(after.gc({ policy: undefined, apply: true, actor: "" }, never));
    expect(collected.at(-1)?.part).toMatchObject({ $case: "summary", value: { deleted: 0 } });
    await told(source.copyTo(after, COPY, never));
    expect(await problemsOf(after)).toEqual([]);
    expect(await historyOf(after, "stage")).toEqual(moves);
    expect(await historyOf(after, "old")).toEqual(await historyOf(source, "old"));
    if (!died) break;
  }
});

test("a tag that moves on after a copy was cut off has a history without a gap", {
  timeout: 120_000,
}, async () => {
  const { a, b } = await fill(source);
  let found = 0;
  for (let writes = 0; ; writes++) {
    const { dying, open } = dyingTarget(`target-${writes}`);
    const target = await open();
    await told(source.copyTo(target, { ...COPY, refs: [a, b] }, never));
    const before = await historyOf(target, "stage");
    const ahead = await fixture.other();
    await told(source.copyTo(ahead, COPY, never));
    for (let i = 0; i < 4; i++) await ahead.tag(move("stage", i % 2 === 0 ? a : b, { force: true }), never);
    dying.left = writes;
    const died = await told(ahead.copyTo(target, COPY, never)).then(
      () => false,
      () => true,
    );
    dying.left = Number.POSITIVE_INFINITY;
    if (!died) break;
    const after = await open();
    const strays = (await problemsOf(after)).filter((problem) => problem.includes("cut off"));
    found += strays.length;
    const stands = (await historyOf(after, "stage")).length;
    if (stands > before.length) continue;
    // Somebody else is faster than the copy that will be begun anew.
    for (const hash of [a, b, a])
      await after.tag(move("stage", hash, { force: true, reason: "ours" }), never);
    for (let i = 0; i < 4; i++)
      await after.tag(move("stage", i % 2 === 0 ? b : a, { force: true, reason: "ours" }), never);
    const history = await historyOf(after, "stage");
    expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => history.length - i));
    expect(history.slice(0, -before.length).every(({ reason }) => reason === "ours")).toBe(true);
    expect((await problemsOf(after)).filter((problem) => problem.includes("stage"))).toEqual([]);
    const late = await told(ahead.copyTo(after, COPY, never));
    expect(late.tags).toContainEqual({
      name: "stage",
      moves: 0,
      problem: expect.stringContaining("went another way"),
    });
    expect(await historyOf(after, "stage")).toEqual(history);
  }
  expect(found).toBeGreaterThan(0);
});

test("a mover who is faster at any write of a copy wins", { timeout: 120_000 }, async () => {
  const { a, b } = await fill(source);
  let raced = true;
  for (let at = 0; raced; at++) {
    const { dying, open } = dyingTarget(`target-${at}`);
    const target = await open();
    const other = await open();
    await told(source.copyTo(target, COPY, never));
    const ahead = await fixture.other();
    await told(source.copyTo(ahead, COPY, never));
    for (const hash of [a, b, a]) await ahead.tag(move("stage", hash, { force: true }), never);
    raced = false;
    let count = 0;
    dying.before = async (key) => {
      if (raced || !key.includes("stage") || count++ !== at) return;
      raced = true;
      await other.tag(move("stage", a, { force: true, reason: "faster" }), never);
    };
    const result = await told(ahead.copyTo(target, COPY, never));
    dying.before = async () => undefined;
    for (const problem of await problemsOf(target))
      expect(problem).toMatch(/a copy that was cut off or outrun/);
    const history = await historyOf(target, "stage");
    expect(history.map(({ seq }) => seq)).toEqual(history.map((_, i) => history.length - i));
    const [tag] = result.tags.filter(({ name }) => name === "stage");
    const copied = history.filter(({ reason }) => reason !== "faster");
    // Either the whole of the copied history came before the faster move, or nothing of it.
    if (tag?.problem === "") expect(copied).toHaveLength(5);
    else expect(copied).toHaveLength(2);
  }
});

test("two copies with different histories into one registry make one of them", async () => {
  const first = await storeText(source, "a");
  const second = await fixture.other();
  await storeText(second, "a");
  for (const [registry, actor] of [
    [source, "one"],
    [second, "two"],
  ] as const) {
    const other = await storeText(registry, `b ${actor}`);
    for (let i = 0; i < 6; i++) {
      await registry.tag(move("t", i % 2 === 0 ? first : other, { force: true, actor }), never);
    }
  }
  for (let round = 0; round < 5; round++) {
    const open = dyingTarget(`target-${round}`).open;
    const targets = [await open(), await open()] as const;
    const results = await Promise.all([
      told(source.copyTo(targets[0], COPY, never)),
      told(second.copyTo(targets[1], COPY, never)),
    ]);
    expect(results.filter(({ tags }) => tags[0]?.problem === "")).toHaveLength(1);
    expect(await problemsOf(targets[0])).toEqual([]);
    expect(new Set((await historyOf(targets[0], "t")).map(({ actor }) => actor)).size).toBe(1);
  }
});

test("a damaged model is left behind with its tags, and told at the end", async () => {
  const { a, b } = await fill(source);
  await source.tag(move("a-tag", a), never);
  const path = sourceFile(a, "weights.bin");
  await chmod(path, 0o600);
  const bytes = await readFile(path);
  bytes[3] = 0;
  await writeFile(path, bytes);
  const target = await fixture.other();
  const tags: string[] = [];
  const copying = (async () => {
    for await (const { part } of source.copyTo(target, COPY, never)) {
      if (part?.$case === "tag" && part.value.problem !== "") tags.push(part.value.problem);
    }
  })();
  await expect(copying).rejects.toMatchObject({ code: "CORRUPT_MODEL", field: a });
  expect(tags).toEqual([expect.stringContaining(`points to ${a}, which is not here`)]);
  expect((await target.resolve("stage", never)).hash).toBe(b);
  await expect(target.resolve("a-tag", never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await expect(target.resolve(a, never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
});

test("a file that is missing in the target is brought anew", async () => {
  const { a } = await fill(source);
  const target = await fixture.other();
  await told(source.copyTo(target, COPY, never));
  const folder = target.spec.slice("local:".length);
  for (const file of ["weights.bin", "operator.yaml", "preview.json", "metadata.json"]) {
    await rm(join(folder, a, file));
    await told(source.copyTo(target, COPY, never));
    expect(await problemsOf(target)).toEqual([]);
  }
});

test("a history with a gap is left alone", async () => {
  await fill(source);
  await rm(sourceFile("_log/stage/000000000001.json"));
  const target = await fixture.other();
  const { tags } = await told(source.copyTo(target, COPY, never));
  expect(tags).toContainEqual({
    name: "stage",
    moves: 0,
    problem: "The copied history of `stage` lacks move 1.",
  });
});

test("a longer history whose tag was removed by hand is not cut short", async () => {
  const { a, b } = await fill(source);
  const target = await fixture.other();
  await told(source.copyTo(target, COPY, never));
  for (const hash of [a, b, a]) await target.tag(move("stage", hash, { force: true }), never);
  await rm(join(target.spec.slice("local:".length), "_tags/stage.txt"));
  const { tags } = await told(source.copyTo(target, COPY, never));
  expect(tags).toContainEqual({
    name: "stage",
    moves: 0,
    problem: "Other moves of `stage` are in the way in `_log/stage/`.",
  });
  const forced = await told(source.copyTo(target, { ...COPY, force: true }, never));
  expect(forced.tags).toContainEqual({ name: "stage", moves: 1, problem: "" });
  expect((await historyOf(target, "stage")).map(({ seq }) => seq)).toEqual([6, 5, 4, 3, 2, 1]);
  expect(await problemsOf(target)).toEqual([]);
});

test("damaged tags are told, here and there, and the others brought over", async () => {
  const { a } = await fill(source);
  for (const name of ["here", "there"]) await source.tag(move(name, a), never);
  const target = await fixture.other();
  await told(source.copyTo(target, COPY, never));
  await source.tag(move("late", a), never);
  for (const path of [
    sourceFile("_tags/here.txt"),
    join(target.spec.slice("local:".length), "_tags/there.txt"),
  ]) {
    await chmod(path, 0o600);
    await writeFile(path, "damaged");
  }
  const { tags, summary } = await told(source.copyTo(target, COPY, never));
  expect(tags.filter(({ problem }) => problem !== "")).toEqual([
    { name: "here", moves: 0, problem: expect.stringContaining("_tags/here.txt is damaged") },
    { name: "there", moves: 0, problem: expect.stringContaining("_tags/there.txt is damaged") },
  ]);
  expect(summary).toMatchObject({ tags: 3, problems: 2 });
  expect((await target.resolve("late", never)).hash).toBe(a);
});

test("cancelled, it stops and leaves nothing half", async () => {
  for (let i = 0; i < 12; i++) await storeText(source, `weights ${i}`.repeat(50_000));
  const target = await fixture.other();
  const stop = new AbortController();
  let models = 0;
  const copying = (async () => {
    for await (const { part } of source.copyTo(target, COPY, stop.signal)) {
      if (part?.$case === "model" && ++models === 3) stop.abort();
    }
  })();
  await expect(copying).rejects.toThrow();
  expect(await problemsOf(target)).toEqual([]);
  const { summary } = await told(source.copyTo(target, COPY, never));
  expect(summary?.models).toBe(12);
  expect(summary?.created).toBeLessThanOrEqual(9);
});

test("between servers, bytes are told and nothing is sent twice", async () => {
  const far = await remoteFixture();
  try {
    const registries = registriesAt(
      { kinds: [far.remote], env: process.env },
      `fake:${far.root}`,
      fixture.staging,
    );
    const target = await registries.open("");
    const hash = await storeText(source, "w".repeat(3_000_000));
    const parts: number[] = [];
    for await (const { part } of source.copyTo(target, COPY, never)) {
      if (part?.$case === "progress") parts.push(part.value.bytesTotal);
    }
    expect(new Set(parts).size).toBeLessThanOrEqual(1);
    expect(far.remote.traffic.sent).toBe(3_000_000);
    await told(source.copyTo(target, COPY, never));
    expect(far.remote.traffic.sent).toBe(3_000_000);
    far.remote.reset();
    // And back, as a stream.
    const back = await fixture.other();
    const { summary } = await told(target.copyTo(back, { ...COPY, refs: [hash] }, never));
    expect(summary).toMatchObject({ models: 1, created: 1 });
    expect(far.remote.traffic.received).toBe(3_000_000);
    expect((await back.stat(hash, never)).weightsSize).toBe(3_000_000);
  } finally {
    await far.close();
  }
});

test("a target that is away is told as such", async () => {
  await fill(source);
  const kind = {
    schemes: ["away"],
    parse: (spec: string) => spec,
    open: () => Promise.reject(new BackendUnavailable("The server does not answer.", "Start it.")),
  };
  const target = await registriesAt({ kinds: [kind], env: {} }, "away:x", fixture.staging).open("");
  const away = expect.objectContaining({ code: "REGISTRY_UNAVAILABLE", mend: "Start it." });
  expect(() => source.copyTo(target, COPY, never)).toThrow(away);
});
