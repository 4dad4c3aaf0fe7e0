import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BackupSource, makeBackup } from "../../daemon/backup/index.ts";
import { readRestored } from "../../daemon/backup/marks.ts";
import { readSums, sumLine } from "../../daemon/backup/sums.ts";
import { openJournal, verify } from "../../daemon/journal/index.ts";
import { SILENT } from "../journal/fixture.ts";
import { BackupRoom, HASH, NEVER } from "./room.ts";

let room: BackupRoom;

beforeAll(async () => {
  room = await BackupRoom.open();
});

afterAll(() => room.close());

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** SQLite makes and removes files of its own beside a journal. */
const isSteady = (path: string) => !/journal\.db-(wal|shm)$/.test(path);

function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

test("a backup has what counts, and nothing that is in work, secret or somebody else's", async () => {
  const backup = await room.backUp("first");
  const files = tree(backup).map((path) => path.replace(/[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{62}$/, "ID"));
  expect(files).toEqual([
    "SHA256SUMS",
    "audit/000000000000001.jsonl",
    expect.stringMatching(/^content\/sha256\/..\/ID$/),
    "journal.db",
    "manifest.json",
    "models/_tags/production.txt",
    ...["metadata.json", "operator.yaml", "weights.bin"].map((name) => `models/${HASH}/${name}`),
    "spool/ID.frames",
  ]);
  expect(readFileSync(join(backup, "audit/000000000000001.jsonl"), "utf8")).toBe('{"seq":1}\n{"seq":2}\n');
  const manifest = JSON.parse(readFileSync(join(backup, "manifest.json"), "utf8"));
  expect(manifest).toMatchObject({ files: 8, runs: 1, points: 3, daemon_version: "1.2.3", notes: [] });
  expect(manifest.left_out.join("\n")).toMatch(
    /bridge\.json: .*anew[\s\S]*cache: .*[\s\S]*token: the daemon did not make it[\s\S]*Secrets/,
  );
  expect(JSON.stringify(manifest)).not.toContain("s3cret");
  // Nothing of the making is left, on either side.
  expect(readdirSync(room.home).sort()).toEqual(["first", "state"]);
  expect(existsSync(join(room.stateFolder, "backing-up"))).toBe(false);
  expect(statSync(backup).mode & 0o777).toBe(0o700);
});

test("other people's programs read it: sha256sum and tar", async () => {
  room.write("staging/odd\\na\nme", "x");
  const folder = await room.backUp("read");
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: folder });
  const tar = await room.backUp("read.tar");
  mkdirSync(join(room.home, "unpacked"));
  execFileSync("tar", ["-xf", tar, "-C", join(room.home, "unpacked")]);
  execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], {
    cwd: join(room.home, "unpacked"),
  });
  expect(tree(join(room.home, "unpacked"))).toEqual(tree(folder));
});

test.each(["back", "back.tar"])("what is restored from %s is what was backed up", async (name) => {
  const backup = await room.backUp(name);
  const restored = await room.restore(backup, `new-${name}`);
  expect(await verify(join(restored, "journal.db"))).toMatchObject({ runs: 1, points: 3, faults: [] });
  const journal = await openJournal({ stateFolder: restored, log: SILENT });
  expect(await journal.runs({ limit: 9 })).toEqual(await room.journal.runs({ limit: 9 }));
  await journal.close();
  for (const path of tree(restored).filter((path) => /^(content|models|spool)/.test(path)))
    expect(readFileSync(join(restored, path), "utf8"), path).toBe(
      readFileSync(join(room.stateFolder, path), "utf8"),
    );
  expect(statSync(join(restored, `models/${HASH}/weights.bin`)).mode & 0o777).toBe(0o400);
  expect(statSync(join(restored, "content")).mode & 0o777).toBe(0o700);
  expect(readRestored(restored)).toMatchObject({ delivers: true, origin: { folder: room.stateFolder } });
});

test("a name that is taken, lies in the state folder or cannot be written is refused, and nothing is touched", async () => {
  mkdirSync(join(room.home, "there"));
  writeFileSync(join(room.home, "there.tar"), "mine");
  symlinkSync(join(room.home, "nowhere"), join(room.home, "link.tar"));
  symlinkSync(room.stateFolder, join(room.home, "state-link"));
  const before = tree(room.home).filter(isSteady);
  for (const path of [
    ...[
      "there",
      "there.tar",
      "link.tar",
      "none/b",
      "state/b",
      "state/audit/b.tar",
      "state-link/b",
      "b.making",
    ].map((name) => join(room.home, name)),
    "relative",
  ]) {
    // The state folder may be named by a link, too.
    const source = { ...room.source, stateFolder: join(room.home, "state-link") };
    const made = makeBackup(source, { path, includeConfig: false }, () => undefined, NEVER);
    await expect(made, path).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field: "path" });
  }
  expect(tree(room.home).filter(isSteady)).toEqual(before);
});

test("a path may end as that of a folder, and a target without room is named", async () => {
  const request = (path: string) => ({ path, includeConfig: false });
  const made = makeBackup(room.source, request(`${room.home}/x/../slash/`), () => undefined, NEVER);
  expect(await made).toMatchObject({ path: join(room.home, "slash") });
  const full: BackupSource = {
    ...room.source,
    withModelsHeld: () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })),
  };
  const path = join(room.home, "full");
  await expect(makeBackup(full, request(path), () => undefined, NEVER)).rejects.toMatchObject({
    code: "STORAGE_FULL",
    message: `There is no room for the backup ${path}.`,
  });
  rmSync(join(room.home, "slash"), { recursive: true });
});

test("an abort leaves nothing, wherever it comes", async () => {
  const before = tree(room.home).filter(isSteady);
  const { source } = room;
  const phases = ["begin", "journal", "models", "files", "packing"];
  for (const phase of phases) {
    const stop = new AbortController();
    const abortAt = (place: string) => place === phase && stop.abort(new Error("enough"));
    const aborting: BackupSource = {
      ...source,
      content: {
        pathOf: (sha256) => room.content.pathOf(sha256),
        unswept: (work) => {
          setImmediate(() => abortAt("journal"));
          return room.content.unswept(work);
        },
      },
      withModelsHeld: (work, signal) => {
        abortAt("models");
        return source.withModelsHeld(work, signal);
      },
    };
    abortAt("begin");
    const request = { path: join(room.home, "aborted.tar"), includeConfig: false };
    const made = makeBackup(aborting, request, ({ phase: place }) => abortAt(place), stop.signal);
    await expect(made, phase).rejects.toThrow("enough");
    expect(tree(room.home).filter(isSteady), phase).toEqual(before);
  }
});

test("a line of SHA256SUMS says the path that was put in, whatever it is", () => {
  const path = fc
    .string({ unit: "binary", minLength: 1, maxLength: 20 })
    .filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.uniqueArray(path, { maxLength: 4 }), (paths) => {
      const text = paths.map((each) => sumLine("0".repeat(64), each)).join("");
      expect([...(readSums(text)?.keys() ?? [])]).toEqual(paths);
    }),
    { numRuns: 30 },
  );
  expect(readSums("nonsense\n")).toBeUndefined();
  expect(readSums(sumLine("0".repeat(64), "a").slice(0, -1))).toBeUndefined();
});

test("what moves or goes while it is made is in it all the same", async () => {
  const { source } = room;
  const [digest = ""] = await room.journal.contentInUse();
  const file = room.content.pathOf(digest);
  const spooled = tree(join(room.stateFolder, "spool"))[0] ?? "";
  const moving: BackupSource = {
    ...source,
    content: {
      pathOf: (sha256) => room.content.pathOf(sha256),
      unswept: async (work) => {
        // As when the daemon has journaled what it held.
        renameSync(join(room.stateFolder, "spool", spooled), join(room.home, "spooled"));
        return room.content.unswept(work);
      },
    },
    withModelsHeld: async (work, signal) => {
      const done = await source.withModelsHeld(work, signal);
      // As when a run is pruned and a model collected.
      renameSync(file, join(room.home, "content"));
      renameSync(join(room.stateFolder, `models/${HASH}`), join(room.home, "model"));
      return done;
    },
  };
  const path = join(room.home, "moving");
  const made = await makeBackup(moving, { path, includeConfig: false }, () => undefined, NEVER);
  renameSync(join(room.home, "spooled"), join(room.stateFolder, "spool", spooled));
  renameSync(join(room.home, "content"), file);
  renameSync(join(room.home, "model"), join(room.stateFolder, `models/${HASH}`));
  expect(made.notes).toEqual([]);
  expect(tree(path)).toEqual(tree(join(room.home, "read")));
});

test("every tag leads to a model that is in it, also when both come while it is made", async () => {
  await using room = await BackupRoom.open();
  const { source } = room;
  for (let i = 0; i < 40; i++) room.write(`models/${digestOf(`old ${i}`)}/metadata.json`, "{}");
  let isHeld = true;
  const storing: BackupSource = {
    ...source,
    withModelsHeld: (work, signal) => {
      // Files with new names come without the lock, as a store with a new tag makes them.
      const store = (i: number) => {
        room.write(`models/${digestOf(`new ${i}`)}/metadata.json`, "{}");
        room.write(`models/_tags/new-${i}.txt`, digestOf(`new ${i}`));
        if (isHeld) setImmediate(store, i + 1);
      };
      store(0);
      return source.withModelsHeld(work, signal).finally(() => {
        isHeld = false;
      });
    },
  };
  const path = join(room.home, "storing");
  await makeBackup(storing, { path, includeConfig: false }, () => undefined, NEVER);
  const tags = readdirSync(join(path, "models/_tags")).map((name) => join(path, "models/_tags", name));
  const led = tags.map((tag) => readFileSync(tag, "utf8"));
  expect(led.filter((hash) => !existsSync(join(path, "models", hash, "metadata.json")))).toEqual([]);
  expect(led.length).toBeGreaterThan(1);
});

test("damage in the state folder is told and does not stop a backup; the config comes when asked for", async () => {
  const [digest = ""] = await room.journal.contentInUse();
  const file = room.content.pathOf(digest);
  chmodSync(file, 0o600);
  writeFileSync(file, "rotten");
  writeFileSync(join(room.home, "config.yaml"), "cache_gb: 1\n");
  const make = (name: string) =>
    makeBackup(room.source, { path: join(room.home, name), includeConfig: true }, () => undefined, NEVER);
  expect((await make("rotten")).notes).toEqual([expect.stringContaining(`${file} is damaged`)]);
  expect(readFileSync(join(room.home, "rotten/config.yaml"), "utf8")).toBe("cache_gb: 1\n");
  rmSync(file);
  expect((await make("gone")).notes).toEqual([
    expect.stringContaining(`${file}, a file of a run, is missing`),
  ]);
});
