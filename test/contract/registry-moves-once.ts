/** A call that moves a tag, and is made again because its answer was lost, moves it once: a part of the registry's contract. */
import type { TagMove } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import { move, never, newModel, type RegistryFixture, storeText, streamOf } from "./registry-harness.ts";

const FIRST_PAGE = { pageSize: 0, pageToken: "" };
const failure = (code: string) => expect.objectContaining({ name: "PipekitError", code });
const MINE = "01JZ0000000000000000000001";

type Call = (registry: Registry, name: string, a: string) => Promise<TagMove | undefined>;

const tag: Call = (registry, name, a) => registry.tag(move(name, a, { force: true, moveId: MINE }), never);

/** Every call that moves a tag, which leads to b and led to a before. */
const CALLS: { readonly [name: string]: Call } = {
  tag,
  relative: (registry, name) => tag(registry, name, `${name}~1`),
  rollback: (registry, name) =>
    registry.rollbackTag({ name, steps: 1, actor: "me", reason: "", moveId: MINE }, never),
  delete: (registry, name) =>
    registry.deleteTag({ name, expectedHash: "", actor: "me", reason: "", moveId: MINE }, never),
  store: async (registry, name) => {
    const model = newModel({ weights: streamOf("a"), name, force: true, moveId: MINE });
    return (await registry.store(model, never)).move;
  },
};

export function describeMovesOnce(fixtureOf: () => RegistryFixture): void {
  describe("a move of a tag", () => {
    test("is made once by each call, whatever came in between", async () => {
      const { registry, again } = fixtureOf();
      const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
      const [other, third] = [await again(), await again()];
      const once = async ([name, call]: [string, Call]): Promise<void> => {
        await registry.tag(move(name, a), never);
        await registry.tag(move(name, b, { force: true }), never);
        const made = await call(registry, name, a);
        expect(made).toMatchObject({ name, seq: 3, previousHash: b });
        // The answer was lost; others go on, and the call is made again, at this daemon and at others.
        expect(await call(other, name, a)).toEqual(made);
        const theirs = await other.tag(move(name, b, { force: true, moveId: `${MINE}-other` }), never);
        expect(await call(registry, name, a)).toEqual(made);
        expect(await call(third, name, a)).toEqual(made);
        const { moves } = await registry.tagHistory(name, FIRST_PAGE, never);
        expect(moves.slice(0, 2)).toEqual([theirs, made]);
      };
      await Promise.all(Object.entries(CALLS).map(once));
    });

    test("that is granted once is not refused the second time", async () => {
      const { registry, again } = fixtureOf();
      const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
      const create = move("v1", a, { moveId: MINE });
      const created = await registry.tag(create, never);
      await registry.tag(move("v1", b, { force: true, expectedHash: a }), never);
      expect(await (await again()).tag(create, never)).toEqual(created);
      const model = () => newModel({ weights: streamOf("c"), name: "v4", moveId: MINE });
      const stored = await registry.store(model(), never);
      const operatorJson = '{"module":"m","class":"Another","config":{}}';
      await storeText(registry, "d", { name: "v4", force: true, operatorJson });
      expect((await registry.store(model(), never)).move).toEqual(stored.move);
      // Write-once stays so for calls of others, and an id counts for one tag.
      await expect(registry.tag(move("v1", a), never)).rejects.toEqual(failure("TAG_EXISTS"));
      expect(await registry.tag(move("v2", a, { moveId: MINE }), never)).toMatchObject({ seq: 1 });
      for (const moveId of ["short", `${MINE}\n`, "x".repeat(65)]) {
        const refused = registry.tag(move("v3", a, { moveId }), never);
        await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field: "move_id" });
      }
    });

    test("that is asked for by several attempts at once is made once", async ({ skip }) => {
      const { registry, again } = fixtureOf();
      skip(!registry.atomic, "one process makes one move at a time");
      const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
      await registry.tag(move("prod", a), never);
      await registry.tag(move("prod", b, { force: true }), never);
      const daemons = [registry, await again()];
      const attempts = daemons.flatMap((daemon) =>
        [1, 2, 3].map(async () => {
          const made = await tag(daemon, "prod", a);
          // Others take it away at once, so that a later attempt finds it elsewhere.
          await daemon.tag(move("prod", b, { force: true }), never);
          return made;
        }),
      );
      const [first, ...same] = await Promise.all(attempts);
      for (const made of same) expect(made).toEqual(first);
      const { moves } = await registry.tagHistory("prod", FIRST_PAGE, never);
      expect(moves.filter(({ hash }) => hash === a)).toHaveLength(2);
    });
  });
}
