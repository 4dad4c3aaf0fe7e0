/** Pins and collections: a part of the registry's contract. */
import type { GcEntry, GcPolicy, GcSummary } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import { collect as bytesOf, move, never, type RegistryFixture, storeText } from "./registry-harness.ts";

/** Keeps nothing but what is tagged, pinned and leased. */
export const NOTHING_KEPT: GcPolicy = {
  keepLast: 0,
  minAgeUs: 0,
  keepMoves: 0,
  keepMovedUs: 0,
  keepMetadataJson: [],
};

export interface Collected {
  readonly entries: readonly GcEntry[];
  readonly summary: GcSummary;
}

export async function gc(
  registry: Registry,
  policy: Partial<GcPolicy>,
  apply: boolean,
  signal = never,
): Promise<Collected> {
  const entries: GcEntry[] = [];
  const request = { policy: { ...NOTHING_KEPT, ...policy }, apply, actor: "tester@here" };
  for await (const { part } of registry.gc(request, signal)) {
    if (part?.$case === "entry") entries.push(part.value);
    if (part?.$case === "summary") return { entries, summary: part.value };
  }
  throw new Error("There was no summary.");
}

const hashesOf = ({ entries }: Collected): string[] => entries.map(({ hash }) => hash);
const failure = (code: string) => expect.objectContaining({ name: "PipekitError", code });

export function describeCollections(fixtureOf: () => RegistryFixture): void {
  const isThere = (hash: string): Promise<boolean> =>
    fixtureOf()
      .registry.resolve(hash, never)
      .then(
        () => true,
        () => false,
      );

  describe("pins", () => {
    test("are listed with who and why, changed, and taken away", async () => {
      const { registry } = fixtureOf();
      const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
      expect(await registry.listPins(never)).toEqual([]);
      const pin = await registry.pin({ ref: a.slice(0, 12), actor: "ej@host", reason: "paper" }, never);
      expect(pin).toMatchObject({ hash: a, actor: "ej@host", reason: "paper" });
      await registry.pin({ ref: b, actor: "", reason: "" }, never);
      await registry.pin({ ref: a, actor: "ej@host", reason: "final\npaper" }, never);
      const pins = await registry.listPins(never);
      expect(pins.map(({ hash }) => hash)).toEqual([a, b].toSorted());
      expect(pins.find(({ hash }) => hash === a)).toMatchObject({ reason: "final\npaper" });
      expect(await registry.unpin(a, never)).toBe(true);
      expect(await registry.unpin(a, never)).toBe(false);
      expect((await registry.listPins(never)).map(({ hash }) => hash)).toEqual([b]);
      const missing = registry.pin({ ref: "0".repeat(64), actor: "", reason: "" }, never);
      await expect(missing).rejects.toEqual(failure("REF_NOT_FOUND"));
    });
  });

  describe("gc", () => {
    test("tells what nothing keeps and deletes nothing, unless told to", async () => {
      const { registry } = fixtureOf();
      const [a, b] = [await storeText(registry, "aaaa"), await storeText(registry, "bb")];
      await registry.tag(move("prod", a), never);
      const told = await gc(registry, {}, false);
      expect(told.entries).toMatchObject([{ hash: b, deleted: false, keptBecause: "", remains: false }]);
      expect(told.summary).toMatchObject({
        models: 2,
        kept: { tagged: 1 },
        candidates: 1,
        deleted: 0,
        dryRun: true,
      });
      expect(told.summary.candidateBytes).toBe(told.entries[0]?.bytes);
      expect(told.entries[0]?.bytes).toBeGreaterThan(100);
      expect(await isThere(b)).toBe(true);
      const done = await gc(registry, {}, true);
      expect(done.entries).toMatchObject([{ hash: b, deleted: true, bytes: told.entries[0]?.bytes }]);
      expect(done.summary).toMatchObject({ candidates: 1, deleted: 1, dryRun: false });
      expect(done.summary.deletedBytes).toBe(done.summary.candidateBytes);
      expect(await isThere(b)).toBe(false);
      expect(await isThere(a)).toBe(true);
      const loaded = await registry.load("prod", { byPath: false, offset: 0 }, never);
      expect((await bytesOf(loaded.weights)).toString()).toBe("aaaa");
      expect((await gc(registry, {}, true)).summary).toMatchObject({ models: 1, candidates: 0, litter: 0 });
      // It can be stored again.
      expect(await storeText(registry, "bb")).toBe(b);
    });

    test("keeps the young, what is pinned, and where tags pointed lately", async () => {
      const { registry } = fixtureOf();
      const hashes = await Promise.all(["a", "b", "c", "d"].map((text) => storeText(registry, text)));
      const [a = "", b = "", c = "", d = ""] = hashes;
      await registry.tag(move("prod", a), never);
      await registry.tag(move("prod", b, { force: true }), never);
      await registry.tag(move("prod", c, { force: true }), never);
      await registry.pin({ ref: d, actor: "", reason: "" }, never);
      const day = 86_400_000_000;
      expect((await gc(registry, { minAgeUs: undefined }, true)).summary.kept).toEqual({
        tagged: 1,
        pinned: 1,
        young: 2,
      });
      expect(hashesOf(await gc(registry, { keepMovedUs: day }, false))).toEqual([]);
      expect(hashesOf(await gc(registry, { keepMoves: 2 }, false))).toEqual([a]);
      expect((await gc(registry, { keepMoves: 2 }, false)).summary.kept).toEqual({
        tagged: 1,
        pinned: 1,
        moved: 1,
      });
      expect(hashesOf(await gc(registry, {}, false))).toEqual([a, b].toSorted());
      await registry.deleteTag({ name: "prod", expectedHash: "", actor: "", reason: "" }, never);
      expect(hashesOf(await gc(registry, { keepMoves: 1 }, false))).toEqual([a, b].toSorted());
      await registry.unpin(d, never);
      expect(hashesOf(await gc(registry, {}, true))).toEqual([a, b, c, d].toSorted());
      const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
      expect(models).toEqual([]);
      const gone = registry.rollbackTag({ name: "prod", steps: 1, actor: "", reason: "" }, never);
      await expect(gone).rejects.toEqual(failure("REF_NOT_FOUND"));
    });

    test("keeps the newest and what its metadata chooses", async () => {
      const { registry } = fixtureOf();
      const kept = await storeText(registry, "kept", { metadataJson: '{"stage": "release", "n": 1.0}' });
      const hashes: string[] = [];
      for (let i = 0; i < 4; i++) {
        hashes.push(await storeText(registry, `w${i}`, { metadataJson: `{"stage": "trial", "n": ${i}}` }));
      }
      const chosen = { keepMetadataJson: ['{"stage": "release"}', '{"stage": "trial", "n": 3}'] };
      const told = await gc(registry, chosen, false);
      expect(hashesOf(told)).toEqual(hashes.slice(0, 3).toSorted());
      expect(told.summary.kept).toEqual({ metadata: 2 });
      expect(hashesOf(told)).not.toContain(kept);
      // Files may be dated to the second.
      const newest = await gc(registry, { keepLast: 2 }, true);
      expect(newest.summary).toMatchObject({ kept: { last: 2 }, deleted: 3 });
      for (const text of ["{", "[]", "{}"]) {
        await expect(gc(registry, { keepMetadataJson: [text] }, true)).rejects.toMatchObject({
          code: "INVALID_CONFIG",
          field: expect.stringContaining("keep_metadata_json[0]"),
        });
      }
      await expect(gc(registry, { keepLast: -1 }, true)).rejects.toMatchObject({ field: "keep_last" });
    });

    test("runs beside stores and moves of tags, and loses nothing of them", async () => {
      const { registry, again } = fixtureOf();
      const collector = await again();
      const stop = new AbortController();
      let rounds = 0;
      const collecting = (async () => {
        for (; !stop.signal.aborted; rounds++) await gc(collector, {}, true);
      })();
      const refused = (error: { code?: string }): undefined => {
        if (error.code !== "REF_NOT_FOUND") throw error;
      };
      // A dozen times where that is quick; where each request costs a server's time, a few.
      const enough = Date.now() + 12_000;
      for (let i = 0; i < 12 && (i < 4 || Date.now() < enough); i++) {
        const hash = await storeText(registry, `w${i % 3}`, { name: "latest", force: true });
        expect((await registry.resolve("latest", never)).hash).toBe(hash);
        const other = await storeText(registry, `x${i % 3}`);
        // It may have been collected at once: nothing young is kept here.
        await registry.tag(move("other", other, { force: true }), never).catch(refused);
        for await (const finding of registry.verify(["latest"], never)) expect(finding.problems).toEqual([]);
      }
      stop.abort();
      await collecting;
      expect(rounds).toBeGreaterThan(0);
      for await (const { problems } of registry.verify([], never)) expect(problems).toEqual([]);
    });
  });
}
