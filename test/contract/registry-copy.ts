/** What every registry must do when models come from another place, or go there. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CopiedModel, CopiedTag, CopyEvent, CopySummary, TagMove } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import type { CopyOptions, Registry } from "../../daemon/registry/index.ts";
import {
  collect,
  move,
  never,
  newModel,
  type RegistryFixture,
  storeText,
  streamOf,
} from "./registry-harness.ts";

/** Copies all, with tags, as the tester. */
export const COPY: CopyOptions = { refs: [], withoutTags: false, force: false, actor: "tester@here" };

/** What a copy told, progress left out. */
export interface Told {
  readonly models: CopiedModel[];
  readonly tags: CopiedTag[];
  readonly summary: CopySummary | undefined;
}

export async function told(events: AsyncIterable<CopyEvent>): Promise<Told> {
  const models: CopiedModel[] = [];
  const tags: CopiedTag[] = [];
  let summary: CopySummary | undefined;
  for await (const { part } of events) {
    if (part?.$case === "model") models.push(part.value);
    if (part?.$case === "tag") tags.push(part.value);
    if (part?.$case === "summary") summary = part.value;
  }
  return { models, tags, summary };
}

export async function historyOf(registry: Registry, name: string): Promise<TagMove[]> {
  return (await registry.tagHistory(name, { pageSize: 1000, pageToken: "" }, never)).moves;
}

async function weightsOf(registry: Registry, ref: string): Promise<string> {
  const loaded = await registry.load(ref, { byPath: false, offset: 0 }, never);
  return (await collect(loaded.weights)).toString();
}

/** Two models and two tags with histories: `stage` was at the one and is at the other, `old` was deleted. */
export async function fill(registry: Registry): Promise<{ a: string; b: string }> {
  const more = { previewJson: '{"in": [1.0]}', metadataJson: '{"accuracy": 0.90}', runId: "run-1" };
  const a = await storeText(registry, "weights of a", more);
  const b = (await registry.store(newModel({ metadataJson: '{"only": "config"}' }), never)).model.hash;
  await registry.tag(move("stage", a, { reason: "first\nof all", actor: "ann@lab" }), never);
  await registry.tag(move("stage", b, { force: true, actor: "bob@lab" }), never);
  await registry.tag(move("old", a), never);
  await registry.deleteTag({ name: "old", expectedHash: "", actor: "ann@lab", reason: "superseded" }, never);
  return { a, b };
}

export function describeCopies(current: () => RegistryFixture): void {
  describe("copies and archives", () => {
    test("bring models, tags and histories over as they are, once", async () => {
      const { registry: target, other } = current();
      const source = await other();
      const { a, b } = await fill(source);
      const first = await told(source.copyTo(target, COPY, never));
      expect(first.models.map(({ hash, created }) => [hash, created]).sort()).toEqual(
        [
          [a, true],
          [b, true],
        ].sort(),
      );
      expect(first.tags).toEqual([
        { name: "old", moves: 2, problem: "" },
        { name: "stage", moves: 2, problem: "" },
      ]);
      expect(first.summary).toMatchObject({ models: 2, created: 2, tags: 2, problems: 0 });
      for (const hash of [a, b])
        expect(await target.stat(hash, never)).toEqual(await source.stat(hash, never));
      expect(await weightsOf(target, "stage~1")).toBe("weights of a");
      for (const name of ["stage", "old"]) {
        expect(await historyOf(target, name)).toEqual(await historyOf(source, name));
      }
      await expect(target.resolve("old", never)).rejects.toMatchObject({ code: "REF_NOT_FOUND" });

      const second = await told(source.copyTo(target, COPY, never));
      expect(second.models.every(({ created }) => !created)).toBe(true);
      expect(second.tags.every(({ moves, problem }) => moves === 0 && problem === "")).toBe(true);
      expect(second.summary).toEqual({ models: 2, created: 0, bytes: 0, tags: 2, problems: 0 });
      for await (const finding of target.verify([], never)) expect(finding.problems).toEqual([]);
    });

    test("go back to where they came from, with what was done meanwhile", async () => {
      const { registry: target, other } = current();
      const source = await other();
      const { a, b } = await fill(source);
      await told(source.copyTo(target, COPY, never));
      const c = await storeText(target, "weights of c");
      await target.tag(move("stage", c, { force: true }), never);
      await target.tag(move("old", b), never);
      // The source lacks moves of the target: nothing to bring over.
      const nothing = await told(source.copyTo(target, COPY, never));
      expect(nothing.tags.map(({ moves, problem }) => [moves, problem])).toEqual([
        [0, ""],
        [0, ""],
      ]);
      const back = await told(target.copyTo(source, COPY, never));
      expect(back.models.filter(({ created }) => created).map(({ hash }) => hash)).toEqual([c]);
      expect(back.tags.map(({ moves }) => moves)).toEqual([1, 1]);
      expect(await historyOf(source, "stage")).toEqual(await historyOf(target, "stage"));
      expect((await source.resolve("old", never)).hash).toBe(b);
      expect((await source.resolve("stage~2", never)).hash).toBe(a);
    });

    test("leave a tag alone whose history went another way, unless forced", async () => {
      const { registry: target, other } = current();
      const source = await other();
      const { a, b } = await fill(source);
      const c = await storeText(target, "weights of c");
      await target.tag(move("stage", c), never);
      const left = await told(source.copyTo(target, COPY, never));
      expect(left.tags).toContainEqual({
        name: "stage",
        moves: 0,
        problem: expect.stringContaining("`stage` went another way"),
      });
      expect(left.summary).toMatchObject({ tags: 1, problems: 1 });
      expect((await target.resolve("stage", never)).hash).toBe(c);
      const forced = await told(source.copyTo(target, { ...COPY, force: true }, never));
      expect(forced.tags).toContainEqual({ name: "stage", moves: 1, problem: "" });
      const [last, ...earlier] = await historyOf(target, "stage");
      expect(last).toMatchObject({ seq: 2, hash: b, previousHash: c, actor: "tester@here" });
      expect(last?.reason).toMatch(/^copied from local:/);
      expect(earlier).toHaveLength(1);
      const again = await told(source.copyTo(target, { ...COPY, force: true }, never));
      expect(again.tags).toContainEqual({ name: "stage", moves: 0, problem: "" });
      expect((await target.resolve(a, never)).hash).toBe(a);
    });

    test("bring some models, with the tags that point to them", async () => {
      const { registry: target, other } = current();
      const source = await other();
      const { a, b } = await fill(source);
      await source.tag(move("a-tag", a), never);
      const some = await told(source.copyTo(target, { ...COPY, refs: ["a-tag", a.slice(0, 12)] }, never));
      expect(some.models.map(({ hash }) => hash)).toEqual([a]);
      expect(some.tags).toEqual([{ name: "a-tag", moves: 1, problem: "" }]);
      const bare = await told(source.copyTo(target, { ...COPY, refs: [b], withoutTags: true }, never));
      expect(bare.models.map(({ hash }) => hash)).toEqual([b]);
      expect(bare.tags).toEqual([]);
      const none = told(source.copyTo(target, { ...COPY, refs: ["none"] }, never));
      await expect(none).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
      await expect(told(source.copyTo(source, COPY, never))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        field: "target",
      });
    });

    test("go into one file and out of it", async () => {
      const { registry: target, other, scratch } = current();
      const source = await other();
      const { a } = await fill(source);
      const path = join(scratch, "models.tar");
      const options = { refs: [], withoutTags: false, overwrite: false };
      const written = await told(source.exportTo(path, options, never));
      expect(written.summary).toMatchObject({ models: 2, tags: 2, problems: 0 });
      await expect(told(source.exportTo(path, options, never))).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        field: "path",
      });
      const into = { withoutTags: false, force: false, actor: "tester@here" };
      const first = await told(target.importFrom(path, into, never));
      expect(first.summary).toMatchObject({ models: 2, created: 2, tags: 2, problems: 0 });
      const second = await told(target.importFrom(path, into, never));
      expect(second.summary).toMatchObject({ models: 2, created: 0, bytes: 0, tags: 2, problems: 0 });
      expect(await target.stat(a, never)).toEqual(await source.stat(a, never));
      expect(await weightsOf(target, a)).toBe("weights of a");
      for (const name of ["stage", "old"]) {
        expect(await historyOf(target, name)).toEqual(await historyOf(source, name));
      }
      // What went through the target makes the same file, byte for byte.
      const copy = join(scratch, "copy.tar");
      await told(target.exportTo(copy, options, never));
      expect((await readFile(copy)).equals(await readFile(path))).toBe(true);
    });
  });

  describe("differences", () => {
    test("are told by document and path", async () => {
      const { registry } = current();
      const base = {
        trainingConfigJson: '{"lr": 1e-3, "layers": [1, 2]}',
        datasetHash: "d1",
        weights: streamOf("a"),
        metadataJson: '{"accuracy": 0.90, "same": 1}',
      };
      const a = await registry.store(newModel({ ...base, name: "a" }), never);
      const b = await registry.store(
        newModel({
          ...base,
          weights: streamOf("b"),
          trainingConfigJson: '{"lr": 0.001, "layers": [1, 3, 4], "warm up": true}',
          metadataJson: '{"accuracy": 0.95, "same": 1.0}',
          previewJson: "[1]",
          name: "b",
        }),
        never,
      );
      const found = await registry.diff("a", "b", never);
      expect(found).toMatchObject({ hashA: a.model.hash, hashB: b.model.hash });
      expect(found).toMatchObject({ tensors: [], tensorsCompared: false, sameWeights: false });
      expect(found.entries.map(({ document, path, aJson, bJson }) => [document, path, aJson, bJson])).toEqual(
        [
          ["training_config", "layers[1]", "2", "3"],
          ["training_config", "layers[2]", "", "4"],
          ["training_config", '["warm up"]', "", "true"],
          ["metadata", "accuracy", "0.90", "0.95"],
          ["preview", "", "", "[1]"],
        ],
      );
      const same = await registry.diff("a", "a", never);
      expect(same).toMatchObject({ entries: [], sameWeights: true });
    });
  });

  describe("a quick verification", () => {
    test("reads no weights", async () => {
      const { registry } = current();
      const hash = await storeText(registry, "w".repeat(100_000));
      const [finding] = await Array.fromAsync(registry.verify([], never, { quick: true }));
      expect(finding).toMatchObject({ hash, problems: [], total: 1 });
      expect(finding?.bytesRead).toBeGreaterThan(0);
      expect(finding?.bytesRead).toBeLessThan(10_000);
    });
  });
}
