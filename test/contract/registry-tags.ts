/** Deletion, rollback and listing of tags: a part of the registry's contract. */
import { describe, expect, test } from "vitest";
import { move, never, type RegistryFixture, storeText } from "./registry-harness.ts";

const FIRST_PAGE = { pageSize: 0, pageToken: "" };
const failure = (code: string) => expect.objectContaining({ name: "PipekitError", code });

export function describeTagDeeds(fixtureOf: () => RegistryFixture): void {
  const deletion = (name: string, part: object = {}) => ({
    name,
    expectedHash: "",
    actor: "ej@host",
    reason: "",
    ...part,
  });
  const back = (name: string, steps = 1, reason = "") => ({ name, steps, actor: "ej@host", reason });

  describe("deletion of tags", () => {
    test("makes them lead nowhere, and keeps their history", async () => {
      const { registry } = fixtureOf();
      const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
      await registry.tag(move("prod", a), never);
      const conflicting = registry.deleteTag(deletion("prod", { expectedHash: b }), never);
      await expect(conflicting).rejects.toEqual(failure("TAG_CONFLICT"));
      const deleted = await registry.deleteTag(
        deletion("prod", { expectedHash: a, reason: "recalled" }),
        never,
      );
      expect(deleted).toMatchObject({
        seq: 2,
        hash: "",
        previousHash: a,
        actor: "ej@host",
        reason: "recalled",
      });
      await expect(registry.resolve("prod", never)).rejects.toMatchObject({
        code: "REF_NOT_FOUND",
        message: expect.stringMatching(/by ej@host.*recalled/),
      });
      await expect(registry.resolve("prod@2", never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      expect((await registry.resolve("prod~1", never)).hash).toBe(a);
      await expect(registry.deleteTag(deletion("prod"), never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      await expect(registry.deleteTag(deletion("none"), never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      const expecting = registry.tag(move("prod", b, { expectedHash: a }), never);
      await expect(expecting).rejects.toEqual(failure("TAG_CONFLICT"));
      // The name is free: no force.
      const again = await registry.tag(move("prod", b), never);
      expect(again).toMatchObject({ seq: 3, hash: b, previousHash: "" });
      await expect(registry.resolve("prod~1", never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      const { moves } = await registry.tagHistory("prod", FIRST_PAGE, never);
      expect(moves.map(({ hash }) => hash)).toEqual([b, "", a]);
    });

    test("is seen by watchers, lists and suggestions", async () => {
      const { registry } = fixtureOf();
      const hash = await storeText(registry, "a");
      for (const name of ["one", "two", "three"]) await registry.tag(move(name, hash), never);
      const stop = new AbortController();
      const moves = registry.watchTag("two", 1, stop.signal)[Symbol.asyncIterator]();
      const next = moves.next();
      await registry.deleteTag(deletion("two"), never);
      expect((await next).value).toMatchObject({ seq: 2, hash: "" });
      stop.abort();
      expect((await registry.stat(hash, never)).tags).toEqual(["one", "three"]);
      const first = await registry.listTags({ pageSize: 1, pageToken: "" }, never);
      expect(first.tags).toMatchObject([{ name: "one", seq: 1, hash }]);
      const second = await registry.listTags({ pageSize: 1, pageToken: first.nextPageToken }, never);
      expect(second.tags).toMatchObject([{ name: "three" }]);
      expect(second.nextPageToken).toBe("");
      await expect(registry.resolve("twoo", never)).rejects.toMatchObject({
        mend: expect.not.stringContaining("`two`"),
      });
    });

    test("may be followed by a store under the name", async () => {
      const { registry } = fixtureOf();
      await storeText(registry, "a", { name: "v1" });
      await registry.deleteTag(deletion("v1"), never);
      const hash = await storeText(registry, "b", { name: "v1" });
      expect((await registry.resolve("v1", never)).move).toMatchObject({ seq: 3, hash });
    });
  });

  describe("rollback", () => {
    test("goes back by places, by a new move", async () => {
      const { registry } = fixtureOf();
      const hashes = await Promise.all(["a", "b", "c"].map((text) => storeText(registry, text)));
      const [a = "", b = "", c = ""] = hashes;
      for (const hash of hashes) await registry.tag(move("prod", hash, { force: true }), never);
      expect(await registry.rollbackTag(back("prod"), never)).toMatchObject({
        seq: 4,
        hash: b,
        previousHash: c,
        reason: "rollback to move 2",
      });
      expect(await registry.rollbackTag(back("prod", 3, "bad"), never)).toMatchObject({
        hash: a,
        reason: "bad",
      });
      await registry.deleteTag(deletion("prod"), never);
      // A deletion is no place.
      expect(await registry.rollbackTag(back("prod"), never)).toMatchObject({
        seq: 7,
        hash: a,
        previousHash: "",
      });
      expect(await registry.rollbackTag(back("prod"), never)).toMatchObject({ seq: 8, hash: b });
      await expect(registry.rollbackTag(back("prod", 9), never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      await expect(registry.rollbackTag(back("none"), never)).rejects.toEqual(failure("REF_NOT_FOUND"));
      await expect(registry.rollbackTag(back("a/b"), never)).rejects.toEqual(failure("TAG_NAME_INVALID"));
      await expect(registry.rollbackTag(back("prod", -1), never)).rejects.toMatchObject({ field: "steps" });
    });
  });
}
