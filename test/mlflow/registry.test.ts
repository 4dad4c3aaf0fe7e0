/** The MLflow backend of the registry against a real server: the seam, and what MLflow shows of it. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ObjectMissing, SourceUnreadable } from "@pipekit/adapters/registry";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mlflowCall } from "../support/mlflow-client.ts";
import {
  collect,
  metadataOf,
  nameIn,
  never,
  receiveText,
  sha256,
  startWorld,
  storeModel,
  tagBytes,
  type World,
} from "./registry-support.ts";

interface Version {
  readonly version: string;
  readonly source: string;
  readonly description: string;
  readonly tags: readonly { key: string; value: string }[];
  readonly run_id?: string;
}

let world: World;
beforeAll(async () => {
  world = await startWorld();
}, 120_000);
afterAll(() => world.close());

const versionsOf = async (spec: string): Promise<Version[]> => {
  const filter = new URLSearchParams({ filter: `name = '${nameIn(spec)}'`, order_by: "version_number ASC" });
  const path = `model-versions/search?${filter}`;
  return (await mlflowCall<{ model_versions?: Version[] }>(world.server.url, path)).model_versions ?? [];
};
const aliasesOf = async (spec: string): Promise<Record<string, string>> => {
  const path = `registered-models/get?name=${nameIn(spec)}`;
  type Answer = { registered_model: { aliases?: { alias: string; version: string }[] } };
  const { registered_model } = await mlflowCall<Answer>(world.server.url, path);
  return Object.fromEntries((registered_model.aliases ?? []).map(({ alias, version }) => [alias, version]));
};

describe("objects", () => {
  test.each([
    ["_tags/Prod.txt"],
    ["_gc/x.json"],
    ["_log/prod/000000000001.json"],
    [`${sha256("k")}/preview.json`],
  ])("%s is created once, replaced at its version, and removed", async (key) => {
    const backend = await world.open(world.freshSpec());
    const other = key.replace("Prod", "prod");
    const bytes = Buffer.from([0, 0xff, 10, 65]);
    expect(await backend.get(key, never)).toBeUndefined();
    expect(await backend.info(key, never)).toBeUndefined();
    const first = await backend.create(key, bytes, never);
    expect(await backend.get(key, never)).toEqual({ bytes, version: first, ...entryTime(key) });
    expect(await backend.create(key, Buffer.from("b"), never)).toBeUndefined();
    const second = await backend.replace(key, Buffer.from("b\n"), first ?? "", never);
    expect(second).toBeDefined();
    expect(await backend.replace(key, Buffer.from("c"), first ?? "", never)).toBeUndefined();
    expect((await backend.get(key, never))?.bytes.toString()).toBe("b\n");
    const info = await backend.info(key, never);
    expect(info).toMatchObject({ key, size: 2 });
    expect(Math.abs((info?.modifiedAtUs ?? 0) - Date.now() * 1000)).toBeLessThan(5_000_000);
    if (other !== key) expect(await backend.create(other, Buffer.from("other"), never)).toBeDefined();
    await backend.remove(key, never);
    await backend.remove(key, never);
    expect(await backend.get(key, never)).toBeUndefined();
    expect(await backend.replace(key, bytes, second ?? "", never)).toBeUndefined();
    if (other !== key) expect((await backend.get(other, never))?.bytes.toString()).toBe("other");
  });

  test("keys that differ in case alone are tags that differ in more", async () => {
    const backend = await world.open(world.freshSpec());
    const from = world.network.seen.length;
    const keys = ["_tags/prod.txt", "_tags/Prod.txt", "_tags/proD.txt"];
    for (const key of keys) await backend.create(key, Buffer.from("x"), never);
    const written = world.network.seen
      .slice(from)
      .filter(({ path }) => path.endsWith("registered-models/set-tag"));
    const names = written.map(({ body }) => (JSON.parse(body) as { key: string }).key.toLowerCase());
    expect(new Set(names).size).toBe(3);
    expect(await backend.list("_tags/", { limit: 9 }, never)).toEqual(keys.toSorted());
  });

  test("bytes that come again have another version", async () => {
    const backend = await world.open(world.freshSpec());
    const first = await backend.create("_pins/a.json", Buffer.from("a"), never);
    const second = await backend.replace("_pins/a.json", Buffer.from("b"), first ?? "", never);
    const third = await backend.replace("_pins/a.json", Buffer.from("a"), second ?? "", never);
    expect(new Set([first, second, third, undefined]).size).toBe(4);
    expect(await backend.replace("_pins/a.json", Buffer.from("c"), first ?? "", never)).toBeUndefined();
  });

  test("lists keys and folders in byte order, in pages", async () => {
    const backend = await world.open(world.freshSpec());
    const [a, b] = [sha256("a"), sha256("b")].toSorted() as [string, string];
    const keys = [
      "_gc/z.json",
      "_leases/a.json",
      "_log/t/1.json",
      "_log/t.x/1.json",
      "_tags/t.txt",
      "_tags/t/u.txt",
    ];
    const all = [...keys, `${a}/metadata.json`, `${a}/operator.yaml`, `${b}/operator.yaml`];
    for (const key of all) await backend.create(key, Buffer.from("{}"), never);
    const sorted = all.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    expect(await backend.list("", { limit: 100 }, never)).toEqual(sorted);
    for (const limit of [1, 2, 5]) {
      const paged: string[] = [];
      for (let page = await backend.list("", { limit }, never); page.length > 0; ) {
        paged.push(...page);
        page = await backend.list("", { limit, after: page.at(-1) ?? "" }, never);
      }
      expect(paged).toEqual(sorted);
    }
    for (const prefix of ["_", "_t", "_tags/", "_tags/t/", "_log/t", "_log/t/", a, `${b}/`, "_none/", "zz"]) {
      const under = sorted.filter((key) => key.startsWith(prefix));
      expect(await backend.list(prefix, { limit: 100 }, never), prefix).toEqual(under);
      expect((await backend.scan(prefix, { limit: 100 }, never)).map(({ key }) => key)).toEqual(under);
    }
    const folders = ["_gc/", "_leases/", "_log/", "_tags/", `${a}/`, `${b}/`].toSorted();
    expect(await backend.list("", { limit: 100, folders: true }, never)).toEqual(folders);
    expect(await backend.list("", { limit: 2, after: "_gc/", folders: true }, never)).toEqual(
      folders.filter((folder) => folder > "_gc/").slice(0, 2),
    );
    expect(await backend.list(a.slice(0, 8), { limit: 9, folders: true }, never)).toEqual([`${a}/`]);
    expect(await backend.list("_log/", { limit: 9, folders: true }, never)).toEqual(["_log/t.x/", "_log/t/"]);
  });

  test("20 racers in two backends of this process move one tag in one line", async () => {
    const spec = world.freshSpec();
    const backends = await Promise.all([world.open(spec), world.open(spec)]);
    const hash = sha256("none");
    const line: string[] = [];
    await backends[0]?.create("_tags/t.txt", tagBytes(hash, 0), never);
    const racer = async (n: number): Promise<void> => {
      const backend = backends[n % 2];
      for (;;) {
        const now = await backend?.get("_tags/t.txt", never);
        const seq = Number(/seq: (\d+)/.exec(now?.bytes.toString() ?? "")?.[1]);
        const moved = await backend?.replace(
          "_tags/t.txt",
          tagBytes(hash, seq + 1),
          now?.version ?? "",
          never,
        );
        if (moved === undefined) continue;
        line.push(`${seq + 1}`);
        return;
      }
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => racer(n)));
    expect(line.toSorted((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 20 }, (_, i) => `${i + 1}`),
    );
  }, 60_000);
});

const entryTime = (key: string) =>
  /^_(tags|gc)/.test(key) ? { modifiedAtUs: expect.any(Number) as number } : {};

describe("large objects", () => {
  test("go up once, and come back from any byte", async () => {
    const backend = await world.open(world.freshSpec());
    const bytes = randomBytes(3 * 1024 * 1024 + 17);
    const key = `${sha256("large")}/weights.bin`;
    const blob = await receiveText(backend, bytes);
    expect(blob).toMatchObject({ size: bytes.length, sha256: sha256(bytes) });
    const told: number[] = [];
    expect(await blob.publish(key, never, (done, total) => told.push(done, total))).toBe(true);
    expect(told.slice(-2)).toEqual([bytes.length, bytes.length]);
    world.network.remember = true;
    const before = world.network.seen.length;
    expect(await blob.publish(key, never)).toBe(false);
    expect(world.network.seen.slice(before).filter(({ method }) => method === "PUT")).toEqual([]);
    await blob.discard();
    expect(readdirSync(world.scratch).filter((name) => name.startsWith("mlflow-"))).toEqual([]);
    for (const offset of [0, 1, bytes.length - 1, bytes.length]) {
      expect((await collect(backend.read(key, offset, never))).equals(bytes.subarray(offset))).toBe(true);
    }
    const path = join(world.scratch, "fetched");
    const seen: number[] = [];
    await backend.fetch?.(key, path, never, (done, total) => seen.push(done, total));
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(seen.slice(-2)).toEqual([bytes.length, bytes.length]);
    await expect(collect(backend.read(`${key}x`, 0, never))).rejects.toThrow(ObjectMissing);
    await expect(backend.fetch?.(`${key}x`, `${path}x`, never)).rejects.toThrow(ObjectMissing);
  });

  test("come from files that stay and staged ones that go", async () => {
    const backend = await world.open(world.freshSpec());
    const [kept, staged] = [join(world.scratch, "kept"), join(world.scratch, "staged")];
    for (const [path, kind] of [
      [kept, "file"],
      [staged, "staged"],
    ] as const) {
      writeFileSync(path, `text of ${kind}`);
      const blob = await backend.receive({ kind, path }, never);
      await blob.publish(`${sha256(kind)}/weights.bin`, never);
      await blob.discard();
      const back = await collect(backend.read(`${sha256(kind)}/weights.bin`, 0, never));
      expect(back.toString()).toBe(`text of ${kind}`);
    }
    expect(readdirSync(world.scratch)).toContain("kept");
    expect(readdirSync(world.scratch)).not.toContain("staged");
    await expect(backend.receive({ kind: "file", path: "/none" }, never)).rejects.toThrow(SourceUnreadable);
  });

  test("a file that is written to after it was hashed is not kept", async () => {
    const backend = await world.open(world.freshSpec());
    const path = join(world.scratch, "changing");
    writeFileSync(path, "before");
    const blob = await backend.receive({ kind: "file", path }, never);
    writeFileSync(path, "after.");
    utimesSync(path, 1, 1);
    const key = `${sha256("changing")}/weights.bin`;
    await expect(blob.publish(key, never)).rejects.toThrow("written to meanwhile");
    expect(await backend.info(key, never)).toBeUndefined();
  });
});

describe("what MLflow shows", () => {
  test("a version for each hash with its source, tags and description, once", async () => {
    const spec = world.freshSpec();
    const [one, two] = await Promise.all([world.open(spec), world.open(spec)]);
    const hash = await storeModel(one, "shown");
    const { bytes } = metadataOf("shown");
    expect(await two.create(`${hash}/metadata.json`, bytes, never)).toBeUndefined();
    expect((await two.get(`${hash}/metadata.json`, never))?.bytes.equals(bytes)).toBe(true);
    const [version, ...more] = await versionsOf(spec);
    expect(more).toEqual([]);
    const made = world.network.seen.filter(
      ({ path, body }) => path.endsWith("versions/create") && body.includes(hash),
    );
    expect(made).toHaveLength(1);
    expect(version?.source).toMatch(new RegExp(`^mlflow-artifacts:/.+/${hash}$`));
    expect(version?.description).toContain("**pkg.models.Net**");
    expect(version?.description).toContain('"accuracy": 0.9');
    expect(Object.fromEntries((version?.tags ?? []).map(({ key, value }) => [key, value]))).toEqual({
      "pipekit.hash": hash,
      "pipekit.operator": "pkg.models.Net",
      "pipekit.dataset_hash": "data-1",
      "pipekit.weights_format": "safetensors",
      "pipekit.weights_sha256": sha256("w shown"),
      "pipekit.weights_size": "7",
      "pipekit.created_at": "2026-01-02T03:04:05.000Z",
    });
  });

  test("aliases follow tags, as far as MLflow takes their names", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const [a, b] = [await storeModel(backend, "a"), await storeModel(backend, "b")];
    const first = await backend.create("_tags/production.txt", tagBytes(a, 1), never);
    for (const name of ["latest", "v7", "Latest", "a.b", "v7x"]) {
      await backend.create(`_tags/${name}.txt`, tagBytes(b, 1), never);
    }
    expect(await aliasesOf(spec)).toEqual({ production: "1", v7x: "2" });
    const second = await backend.replace("_tags/production.txt", tagBytes(b, 2), first ?? "", never);
    expect(await aliasesOf(spec)).toEqual({ production: "2", v7x: "2" });
    await backend.replace("_tags/production.txt", tagBytes("", 3), second ?? "", never);
    await backend.remove("_tags/v7x.txt", never);
    expect(await aliasesOf(spec)).toEqual({});
  });

  test("a version that a person has deleted comes back with the next tag or read", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const hash = await storeModel(backend, "gone");
    const deleteVersion = async (version: string) => {
      const response = await fetch(`${world.server.url}/api/2.0/mlflow/model-versions/delete`, {
        method: "DELETE",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: nameIn(spec), version }),
      });
      expect(response.status).toBe(200);
    };
    await deleteVersion("1");
    await backend.create("_tags/production.txt", tagBytes(hash, 1), never);
    const [back] = await versionsOf(spec);
    expect(await aliasesOf(spec)).toEqual({ production: back?.version });
    await deleteVersion(back?.version ?? "");
    const other = await world.open(spec);
    expect(await Array.fromAsync(other.differences?.(never) ?? [])).toEqual([
      // Old releases keep the alias of a version that was deleted.
      expect.stringMatching(/alias `production` (does not exist|points to version \d)/),
      expect.stringContaining(`The model ${hash} has no version`),
    ]);
    await other.get(`${hash}/metadata.json`, never);
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test("removing metadata.json removes the version, and the last file the folder", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const hash = await storeModel(backend, "removed");
    for (const file of ["metadata.json", "operator.yaml", "weights.bin"])
      await backend.remove(`${hash}/${file}`, never);
    expect(await versionsOf(spec)).toEqual([]);
    expect(await backend.list("", { limit: 10, folders: true }, never)).toEqual([]);
    expect(await storeModel(backend, "removed")).toBe(hash);
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test("what a person did in MLflow is told, and changes nothing", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const [a, b] = [await storeModel(backend, "a"), await storeModel(backend, "b")];
    await backend.create("_tags/production.txt", tagBytes(a, 1), never);
    expect(await Array.fromAsync(backend.differences?.(never) ?? [])).toEqual([]);
    for (const alias of ["production", "mine"]) {
      await mlflowCall(world.server.url, "registered-models/alias", {
        name: nameIn(spec),
        alias,
        version: "2",
      });
    }
    const told = await Array.fromAsync(backend.differences?.(never) ?? []);
    expect(told).toEqual([
      `MLflow's alias \`production\` points to ${b}, while the tag points to ${a}; the tag's next move sets it right.`,
      "MLflow's alias `mine` (version 2) is no tag of this registry; set one of that name, or remove the alias.",
    ]);
    expect((await backend.get("_tags/production.txt", never))?.bytes.toString()).toContain(a);
  });

  test("versions whose files are gone are litter, and temporary files of dead processes", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const kept = await storeModel(backend, "kept");
    const ghost = await storeModel(backend, "ghost");
    for (const file of ["metadata.json", "operator.yaml", "weights.bin"]) {
      // Behind the backend's back, as a collector that died would leave it.
      const [{ source } = { source: "" }] = (await versionsOf(spec)).filter((each) =>
        each.source.endsWith(ghost),
      );
      const path = source.replace(/^mlflow-artifacts:\/+/, "");
      const base = `${world.server.url}/api/2.0/mlflow-artifacts/artifacts/${path}`;
      expect((await fetch(`${base}/${file}`, { method: "DELETE" })).status).toBe(200);
      if (file === "weights.bin") await fetch(base, { method: "DELETE" });
    }
    const temp = join(world.scratch, `mlflow-${"0".repeat(36)}`);
    writeFileSync(temp, "12345");
    utimesSync(temp, 1, 1);
    const look = (olderThanMs: number, remove: boolean) =>
      Array.fromAsync(backend.litter({ olderThanMs, remove }, never));
    expect(await look(60_000, false)).toEqual([{ what: "temporary file", bytes: 5 }]);
    expect(await look(-1000, true)).toEqual([
      { what: "temporary file", bytes: 5 },
      { what: "version 2 in MLflow without files", bytes: 0 },
    ]);
    expect(await look(-1000, false)).toEqual([]);
    expect((await versionsOf(spec)).map(({ source }) => source.endsWith(kept))).toEqual([true]);
  });
});

describe("watch", () => {
  test("tells a change that another daemon makes, and one look serves all watchers", async () => {
    const spec = world.freshSpec("?poll_ms=50");
    const [here, there] = [await world.open(spec), await world.open(spec)];
    const first = await there.create("_tags/t.txt", tagBytes(sha256("x"), 1), never);
    let told = Promise.withResolvers<void>();
    let others = 0;
    const stops = [
      here.watch("_tags/t.txt", () => told.resolve()),
      here.watch("_tags/other.txt", () => others++),
    ];
    // Of the first look, which may come after a change.
    await told.promise;
    told = Promise.withResolvers<void>();
    const looks = () =>
      world.network.seen.filter(({ path }) => path.includes("registered-models/get")).length;
    const before = looks();
    await there.replace("_tags/t.txt", tagBytes(sha256("y"), 2), first ?? "", never);
    await told.promise;
    for (const stop of stops) stop();
    const seen = looks();
    await there.get("_tags/t.txt", never);
    expect(looks()).toBe(seen + 1);
    expect(seen).toBeGreaterThan(before);
    expect(others).toBe(1);
  });
});
