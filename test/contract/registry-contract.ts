/** What every registry must do, whatever keeps its objects and whatever lies between it and its user. */
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NewModel } from "../../daemon/registry/index.ts";
import { describeCopies } from "./registry-copy.ts";
import { describeCollections } from "./registry-gc.ts";
import {
  collect,
  move,
  never,
  newModel,
  OPERATOR,
  type RegistryFixture,
  sha256,
  storeText,
  streamOf,
} from "./registry-harness.ts";
import { describeMovesOnce } from "./registry-moves-once.ts";
import { describeTagDeeds } from "./registry-tags.ts";

const FIRST_PAGE = { pageSize: 0, pageToken: "" };

/** Runs the suite against the registries that `makeRegistry` makes, one for each test. */
export function describeRegistryContract(name: string, makeRegistry: () => Promise<RegistryFixture>): void {
  describe(`registry contract, ${name}`, () => {
    let fixture: RegistryFixture;
    beforeEach(async () => {
      fixture = await makeRegistry();
    });
    afterEach(() => fixture.close());
    const failure = (code: string) => expect.objectContaining({ name: "PipekitError", code });

    describe("store and load", () => {
      test("gives back what was stored", async () => {
        const { registry } = fixture;
        const stored = await registry.store(
          newModel({
            trainingConfigJson: '{"lr": 1e-3, "epochs": 10}',
            datasetHash: "data-1",
            metadataJson: '{"accuracy": 0.90, "stage": "test"}',
            previewJson: '{"input": [1.0], "output": [2]}',
            runId: "run-1",
            weights: streamOf("abc", "def"),
            weightsFormat: "safetensors",
          }),
          never,
        );
        expect(stored.created).toBe(true);
        expect(stored.move).toBeUndefined();
        const loaded = await registry.load(stored.model.hash, { byPath: false, offset: 0 }, never);
        expect(loaded.model).toEqual({ ...stored.model, previewJson: '{"input":[1.0],"output":[2]}' });
        expect(loaded.model).toMatchObject({
          operatorJson: OPERATOR,
          trainingConfigJson: '{"lr":1e-3,"epochs":10}',
          metadataJson: '{"accuracy":0.90,"stage":"test"}',
          datasetHash: "data-1",
          runId: "run-1",
          weightsFormat: "safetensors",
          weightsSize: 6,
          weightsSha256: sha256("abcdef"),
          hasWeights: true,
        });
        expect(sha256(loaded.model.manifest)).toBe(stored.model.hash);
        expect((await collect(loaded.weights)).toString()).toBe("abcdef");
      });

      test("goes on at an offset", async () => {
        const hash = await storeText(fixture.registry, "0123456789");
        const from = async (offset: number): Promise<string> => {
          const loaded = await fixture.registry.load(hash, { byPath: false, offset }, never);
          return (await collect(loaded.weights)).toString();
        };
        // The first finds the file unchecked, the others have it checked before.
        expect(await from(4)).toBe("456789");
        expect(await from(0)).toBe("0123456789");
        expect(await from(9)).toBe("9");
        expect(await from(10)).toBe("");
        const tooFar = fixture.registry.load(hash, { byPath: false, offset: 11 }, never);
        await expect(tooFar).rejects.toEqual(failure("INVALID_ARGUMENT"));
      });

      test("takes weights from a path, staged and not, and gives one by path", async () => {
        const [kept, staged] = [join(fixture.scratch, "w"), join(fixture.staging, "w")];
        await writeFile(kept, "weights one");
        await writeFile(staged, "weights two");
        const path = (path: string, staged: boolean): NewModel["weights"] => ({ kind: "path", path, staged });
        const one = await fixture.registry.store(newModel({ weights: path(kept, false) }), never);
        const two = await fixture.registry.store(newModel({ weights: path(staged, true) }), never);
        expect(await stat(kept)).toBeTruthy();
        await expect(stat(staged)).rejects.toThrow("ENOENT");
        for (const [model, text] of [
          [one.model, "weights one"],
          [two.model, "weights two"],
        ] as const) {
          const loaded = await fixture.registry.load(model.hash, { byPath: true, offset: 0 }, never);
          expect(await collect(loaded.weights)).toHaveLength(0);
          const { size, mode } = await stat(loaded.weightsPath);
          expect(size).toBe(text.length);
          expect(mode & 0o222).toBe(0);
        }
        const outside = fixture.registry.store(newModel({ weights: path(kept, true) }), never);
        await expect(outside).rejects.toEqual(failure("INVALID_ARGUMENT"));
        const missing = fixture.registry.store(newModel({ weights: path(`${kept}-none`, false) }), never);
        await expect(missing).rejects.toEqual(failure("ARTIFACT_UNREADABLE"));
        const folder = fixture.registry.store(newModel({ weights: path(fixture.scratch, false) }), never);
        await expect(folder).rejects.toEqual(failure("ARTIFACT_UNREADABLE"));
      });

      test("stores a model once", async () => {
        const model = { metadataJson: '{"first": true}', weights: streamOf("w") };
        const first = await fixture.registry.store(newModel(model), never);
        const second = await fixture.registry.store(
          newModel({ metadataJson: '{"first": false}', weights: streamOf("w") }),
          never,
        );
        expect(second).toMatchObject({ created: false, model: first.model });
      });

      test("tells no weights from empty ones", async () => {
        const none = await fixture.registry.store(newModel(), never);
        const empty = await fixture.registry.store(newModel({ weights: streamOf() }), never);
        expect(none.model).toMatchObject({ hasWeights: false, weightsSha256: "" });
        expect(empty.model).toMatchObject({ hasWeights: true, weightsSize: 0, weightsSha256: sha256("") });
        expect(none.model.hash).not.toBe(empty.model.hash);
        const loaded = await fixture.registry.load(empty.model.hash, { byPath: false, offset: 0 }, never);
        expect(await collect(loaded.weights)).toHaveLength(0);
      });

      test.each([
        ["", "operator_json"],
        ["[]", "operator_json"],
        ['{"class":"C","config":{}}', "module"],
        ['{"module":"m","class":3,"config":{}}', "class"],
        ['{"module":"m","class":"","config":{}}', "class"],
        ['{"module":"m","class":"C"}', "config"],
        ['{"module":"m","class":"C","config":[]}', "config"],
      ])("refuses %s, which is no operator", async (operatorJson, field) => {
        const refused = fixture.registry.store(newModel({ operatorJson }), never);
        await expect(refused).rejects.toMatchObject({ code: "NOT_AN_OPERATOR", field });
      });

      test.each([
        ['{"module":"m","class":"C","config":{"layers":[1,{"dropout":NaN}]}}', "config.layers[1].dropout"],
        ['{"module":"m","class":"C","config":{"a":1,"a":2}}', "config.a"],
        ['{"module":"m","class":"C","config":{"n":9007199254740993}}', "config.n"],
        ['{"module":"m","class":"C","config":{"s":"\\ud800"}}', "config.s"],
      ])("refuses the config in %s", async (operatorJson, field) => {
        const refused = fixture.registry.store(newModel({ operatorJson }), never);
        await expect(refused).rejects.toMatchObject({ code: "INVALID_CONFIG", field });
        const training = fixture.registry.store(newModel({ trainingConfigJson: operatorJson }), never);
        await expect(training).rejects.toMatchObject({
          code: "INVALID_CONFIG",
          field: `training_config.${field}`,
        });
      });
    });

    describe("references", () => {
      test("finds a model by hash, prefix, tag, move and steps back", async () => {
        const { registry } = fixture;
        const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
        await registry.tag(move("stage", a), never);
        await registry.tag(move("stage", b.slice(0, 12), { force: true }), never);
        const resolve = async (ref: string) => (await registry.resolve(ref, never)).hash;
        expect(await resolve(a)).toBe(a);
        expect(await resolve(a.toUpperCase())).toBe(a);
        expect(await resolve(a.slice(0, 8))).toBe(a);
        expect(await resolve("stage")).toBe(b);
        expect(await resolve("stage@1")).toBe(a);
        expect(await resolve("stage@2")).toBe(b);
        expect(await resolve("stage~1")).toBe(a);
        expect((await registry.resolve("stage~1", never)).move).toMatchObject({ seq: 1, hash: a });
        expect((await registry.resolve(a, never)).move).toBeUndefined();
        for (const ref of ["stage@3", "stage~2", "stag", "0".repeat(64), "00000000"]) {
          await expect(registry.resolve(ref, never)).rejects.toEqual(failure("REF_NOT_FOUND"));
        }
        await expect(registry.resolve("stag", never)).rejects.toMatchObject({
          mend: expect.stringContaining("`stage`"),
        });
        for (const ref of ["", "a/b", "..", "stage@0", "stage@", "stage~x", "a@b@1", "f".repeat(65)]) {
          await expect(registry.resolve(ref, never)).rejects.toEqual(failure("REF_INVALID"));
        }
      });
    });

    describe("tags", () => {
      test("are written once, unless forced", async () => {
        const { registry } = fixture;
        const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
        const first = await registry.tag(move("prod", a, { reason: "line one\nline two \\ end" }), never);
        expect(first).toMatchObject({
          name: "prod",
          seq: 1,
          hash: a,
          previousHash: "",
          actor: "tester@here",
        });
        await expect(registry.tag(move("prod", b), never)).rejects.toEqual(failure("TAG_EXISTS"));
        expect(await registry.tag(move("prod", a), never)).toEqual(first);
        const second = await registry.tag(move("prod", b, { force: true }), never);
        expect(second).toMatchObject({ seq: 2, hash: b, previousHash: a });
        const { moves, nextPageToken } = await registry.tagHistory("prod", FIRST_PAGE, never);
        expect(moves).toEqual([second, first]);
        expect(nextPageToken).toBe("");
      });

      test("move only from where they are expected", async () => {
        const { registry } = fixture;
        const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
        const expecting = (expectedHash: string, ref: string) =>
          registry.tag(move("prod", ref, { force: true, expectedHash }), never);
        await expect(expecting(a, b)).rejects.toEqual(failure("TAG_CONFLICT"));
        await registry.tag(move("prod", a), never);
        expect(await expecting(a, b)).toMatchObject({ seq: 2, hash: b });
        await expect(expecting(a, a)).rejects.toEqual(failure("TAG_CONFLICT"));
      });

      test("are refused with a bad name before anything is written", async () => {
        const { registry } = fixture;
        const hash = await storeText(registry, "a");
        for (const name of [
          "a/b",
          "..",
          ".a",
          "_a",
          "-a",
          "deadbeef",
          "DEADBEEF01",
          "ü",
          "a b",
          "x".repeat(129),
        ]) {
          await expect(registry.tag(move(name, hash), never)).rejects.toEqual(failure("TAG_NAME_INVALID"));
          const stored = registry.store(newModel({ name, weights: streamOf("other") }), never);
          await expect(stored).rejects.toEqual(failure("TAG_NAME_INVALID"));
        }
        const { models } = await registry.list({ ...FIRST_PAGE, metadataFilterJson: "" }, never);
        expect(models.map((model) => model.hash)).toEqual([hash]);
        // Seven hexadecimal digits are a name.
        expect(await registry.tag(move("deadbee", hash), never)).toMatchObject({ seq: 1 });
      });

      test("are set by store", async () => {
        const { registry } = fixture;
        const first = await registry.store(newModel({ name: "v1", weights: streamOf("a") }), never);
        expect(first.move).toMatchObject({ name: "v1", seq: 1, hash: first.model.hash });
        const again = await registry.store(newModel({ name: "v1", weights: streamOf("a") }), never);
        expect(again.move).toEqual(first.move);
        const other = registry.store(newModel({ name: "v1", weights: streamOf("b") }), never);
        await expect(other).rejects.toEqual(failure("TAG_EXISTS"));
        const forced = await registry.store(
          newModel({ name: "v1", force: true, weights: streamOf("b") }),
          never,
        );
        expect(forced.move).toMatchObject({ seq: 2, previousHash: first.model.hash });
      });

      test("refuse a model that cannot become the one they point to before its weights are read", async () => {
        const { registry } = fixture;
        await registry.store(newModel({ name: "v1", weights: streamOf("a") }), never);
        let read = 0;
        const endless = async function* (): AsyncGenerator<Buffer> {
          for (;;) {
            read++;
            yield Buffer.alloc(1024 * 1024);
          }
        };
        const refused = registry.store(
          newModel({
            name: "v1",
            operatorJson: '{"module":"m","class":"C","config":{}}',
            weights: { kind: "stream", chunks: endless() },
          }),
          never,
        );
        await expect(refused).rejects.toEqual(failure("TAG_EXISTS"));
        expect(read).toBeLessThan(64);
      });

      test("page their history", async () => {
        const { registry } = fixture;
        const hashes = [await storeText(registry, "a"), await storeText(registry, "b")];
        for (let i = 0; i < 7; i++)
          await registry.tag(move("t", hashes[i % 2] ?? "", { force: true }), never);
        const seqs: number[] = [];
        let pageToken = "";
        do {
          const page = await registry.tagHistory("t", { pageSize: 3, pageToken }, never);
          expect(page.moves.length).toBeLessThanOrEqual(3);
          seqs.push(...page.moves.map((entry) => entry.seq));
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        expect(seqs).toEqual([7, 6, 5, 4, 3, 2, 1]);
        await expect(registry.tagHistory("none", FIRST_PAGE, never)).rejects.toEqual(
          failure("REF_NOT_FOUND"),
        );
      });

      test("make one linear history of 50 racers", async () => {
        const { registry } = fixture;
        const hashes = await Promise.all(Array.from({ length: 5 }, (_, i) => storeText(registry, `w${i}`)));
        const others = await Promise.all([fixture.again(), fixture.again()]);
        const racers = Array.from({ length: 50 }, (_, i) =>
          [registry, ...others][i % 3]?.tag(
            move("t", hashes[i % 5] ?? "", { force: true, actor: `racer ${i}` }),
            never,
          ),
        );
        await Promise.all(racers);
        const { moves } = await registry.tagHistory("t", FIRST_PAGE, never);
        const oldestFirst = moves.toReversed();
        expect(oldestFirst.map((entry) => entry.seq)).toEqual(oldestFirst.map((_, i) => i + 1));
        oldestFirst.forEach((entry, i) => {
          expect(entry.previousHash).toBe(oldestFirst[i - 1]?.hash ?? "");
        });
      });
    });

    describe("watchTag", () => {
      test("tells the current move, then each new one soon", async () => {
        const { registry } = fixture;
        const [a, b] = [await storeText(registry, "a"), await storeText(registry, "b")];
        await registry.tag(move("prod", a), never);
        const stop = new AbortController();
        const moves = registry.watchTag("prod", 0, stop.signal)[Symbol.asyncIterator]();
        expect((await moves.next()).value).toMatchObject({ seq: 1, hash: a });
        const next = moves.next();
        await registry.tag(move("prod", b, { force: true }), never);
        expect((await next).value).toMatchObject({ seq: 2, hash: b });
        // Of another registry on the same folder.
        const third = moves.next();
        await (await fixture.again()).tag(move("prod", a, { force: true }), never);
        expect((await third).value).toMatchObject({ seq: 3, hash: a });
        const end = moves.next();
        stop.abort();
        expect((await end).done).toBe(true);
      });

      test("replays the moves after a seq, and waits for a tag that is not there yet", async () => {
        const { registry } = fixture;
        const hashes = [await storeText(registry, "a"), await storeText(registry, "b")];
        const stop = new AbortController();
        const waiting = registry.watchTag("t", 0, stop.signal)[Symbol.asyncIterator]();
        const first = waiting.next();
        for (let i = 0; i < 4; i++)
          await registry.tag(move("t", hashes[i % 2] ?? "", { force: true }), never);
        expect((await first).value).toMatchObject({ name: "t" });
        const replay = registry.watchTag("t", 1, stop.signal)[Symbol.asyncIterator]();
        for (const seq of [2, 3, 4]) expect((await replay.next()).value).toMatchObject({ seq });
        stop.abort();
      });
    });

    describeTagDeeds(() => fixture);
    describeMovesOnce(() => fixture);
    describeCollections(() => fixture);
    describeCopies(() => fixture);

    describe("list, stat and verify", () => {
      test("pages models in order of their hashes, with their tags, filtered by metadata", async () => {
        const { registry } = fixture;
        const hashes: string[] = [];
        for (let i = 0; i < 7; i++) {
          hashes.push(
            await storeText(registry, `w${i}`, { metadataJson: `{"odd": ${i % 2 === 1}, "i": ${i}.0}` }),
          );
        }
        await registry.tag(move("two", hashes[2] ?? ""), never);
        await registry.tag(move("also-two", hashes[2] ?? ""), never);
        const listed: string[] = [];
        let pageToken = "";
        do {
          const page = await registry.list({ pageSize: 3, pageToken, metadataFilterJson: "" }, never);
          listed.push(...page.models.map((model) => model.hash));
          pageToken = page.nextPageToken;
        } while (pageToken !== "");
        expect(listed).toEqual(hashes.toSorted());
        const filtered = async (metadataFilterJson: string) =>
          (await registry.list({ ...FIRST_PAGE, metadataFilterJson }, never)).models;
        expect((await filtered('{"odd": true}')).length).toBe(3);
        expect(await filtered('{"odd": true, "i": 2}')).toEqual([]);
        expect(await filtered('{"i": 2}')).toMatchObject([{ hash: hashes[2], tags: ["also-two", "two"] }]);
        await registry.tag(move("three", hashes[2] ?? ""), never);
        expect((await registry.stat("two", never)).tags).toEqual(["also-two", "three", "two"]);
        await expect(filtered('{"a":1,"a":1}')).rejects.toEqual(failure("INVALID_CONFIG"));
        const tooLarge = registry.list({ pageSize: 1001, pageToken: "", metadataFilterJson: "" }, never);
        await expect(tooLarge).rejects.toEqual(failure("INVALID_ARGUMENT"));
      });

      test("verifies all models or some", async () => {
        const { registry } = fixture;
        const hashes = [await storeText(registry, "12345"), await storeText(registry, "1234567")];
        const found = await Array.fromAsync(registry.verify([], never));
        expect(found.map((entry) => entry.hash)).toEqual(hashes.toSorted());
        for (const entry of found) expect(entry).toMatchObject({ problems: [], total: 2 });
        const some = await Array.fromAsync(registry.verify([hashes[1] ?? ""], never));
        expect(some).toMatchObject([{ hash: hashes[1], total: 1 }]);
        expect(some[0]?.bytesRead).toBeGreaterThan(7);
      });
    });
  });
}
