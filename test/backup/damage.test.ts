/** A backup that is not as it was written is refused with the name of the file, and nothing of it gets a place. */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { pack } from "tar-stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkBackup } from "../../daemon/backup/index.ts";
import { sealManifest } from "../../daemon/backup/manifest.ts";
import { sumLine } from "../../daemon/backup/sums.ts";
import { BackupRoom, HASH, NEVER } from "./room.ts";

let room: BackupRoom;
let sound: string;
let soundTar: string;

beforeAll(async () => {
  room = await BackupRoom.open();
  sound = await room.backUp("sound");
  soundTar = await room.backUp("sound.tar");
});

afterAll(() => room.close());

const check = (backup: string) =>
  checkBackup(
    backup,
    async () => undefined,
    () => undefined,
    NEVER,
  );

/** A copy of the sound folder with this done to it. */
async function afterwards(harm: (folder: string) => void): Promise<unknown> {
  const folder = join(room.home, "harmed");
  rmSync(folder, { recursive: true, force: true });
  cpSync(sound, folder, { recursive: true });
  harm(folder);
  const restored = await room.restore(folder, "victim").then(
    () => "restored",
    (error: unknown) => error,
  );
  expect(readdirSync(join(room.home, "victim")), "what is left of the restore").toEqual([]);
  return restored;
}

const MODEL = `models/${HASH}/weights.bin`;

test.each<[string, string, (folder: string) => void]>([
  ["a file that is gone", MODEL, (folder) => rmSync(join(folder, MODEL))],
  ["a file that is shorter", "journal.db", (folder) => truncateSync(join(folder, "journal.db"), 4096)],
  ["a file that came later", "models/x", (folder) => writeFileSync(join(folder, "models/x"), "x")],
  ["a file of another kind", "id_rsa", (folder) => writeFileSync(join(folder, "id_rsa"), "x")],
  ["a link", "models/link", (folder) => symlinkSync("/etc/passwd", join(folder, "models/link"))],
  ["no manifest", "harmed", (folder) => rmSync(join(folder, "manifest.json"))],
  ["no sums", "SHA256SUMS", (folder) => rmSync(join(folder, "SHA256SUMS"))],
  [
    "sums that were written anew",
    "SHA256SUMS",
    (folder) => {
      writeFileSync(join(folder, MODEL), "evil");
      const sums = readFileSync(join(folder, "SHA256SUMS"), "utf8");
      const sha = "5b5bd7ee7b7ee9c5c2dfa0ca0ddf3b2b8ad57b3f27bee1b9ef3d8aee7b4f9b3b";
      writeFileSync(join(folder, "SHA256SUMS"), sums.replace(/[0-9a-f]{64}(?= {2}models\/a)/, sha));
    },
  ],
  [
    "two files that changed places",
    "SHA256SUMS",
    (folder) => {
      renameSync(join(folder, "SHA256SUMS"), join(folder, "x"));
      copyFileSync(join(folder, MODEL), join(folder, "SHA256SUMS"));
      rmSync(join(folder, "x"));
    },
  ],
])("%s", async (_, field, harm) => {
  const error = await afterwards(harm);
  expect(error).toMatchObject({ code: "CORRUPT_BACKUP", field: expect.stringMatching(`${field}$`) });
});

test("no flipped bit passes, wherever it is, in a folder or in a tar", async () => {
  const bytes = readFileSync(soundTar);
  const files = readdirSync(sound, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const file = join(room.home, "flipped.tar");
  const folder = join(room.home, "flipped");
  cpSync(sound, folder, { recursive: true });
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.nat(), fc.nat(7), async (which, where, bit) => {
      const source = files[which % files.length] ?? "";
      const target = join(folder, source.slice(sound.length));
      const content = readFileSync(source);
      writeFileSync(target, flipped(content, where, bit), { mode: 0o600 });
      await expect(check(folder)).rejects.toMatchObject({ code: "CORRUPT_BACKUP" });
      rmSync(target);
      writeFileSync(target, content);
      const at = where % bytes.length;
      writeFileSync(file, flipped(bytes, at, bit));
      const result = await check(file).catch((error: { readonly code?: unknown }) => error.code);
      // What is told of a file beside its name and size, and what fills up a block, is nobody's content.
      if (result !== "CORRUPT_BACKUP") expect(isFilling(bytes, at), `byte ${at}`).toBe(true);
    }),
    { numRuns: 40 },
  );
  await expect(check(sound)).resolves.toMatchObject({ runs: 1 });
});

test("a tar that ends early is refused, wherever it ends", async () => {
  const bytes = readFileSync(soundTar);
  const file = join(room.home, "short.tar");
  const manifestEnd = bytes.lastIndexOf("}") + 2;
  await fc.assert(
    fc.asyncProperty(fc.nat(manifestEnd - 2), async (length) => {
      writeFileSync(file, bytes.subarray(0, length));
      await expect(check(file)).rejects.toMatchObject({ code: "CORRUPT_BACKUP" });
    }),
    { numRuns: 25 },
  );
});

test("a folder that holds something is refused, and left as it is; a restore that was broken off begins anew", async () => {
  const folder = join(room.home, "held");
  mkdirSync(folder);
  writeFileSync(join(folder, "mine"), "mine");
  await expect(room.restore(sound, "held")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: folder,
  });
  expect(readdirSync(folder)).toEqual(["mine"]);
  const half = await room.restore(sound, "half");
  mkdirSync(join(half, "restoring/models"), { recursive: true });
  writeFileSync(join(half, "restoring/models/x"), "x");
  rmSync(join(half, "journal.db"));
  await room.restore(soundTar, "half");
  expect(existsSync(join(half, "restoring"))).toBe(false);
  expect(existsSync(join(half, "journal.db"))).toBe(true);
});

/** As somebody may seal it who wants to be believed. */
function sealed(files: ReadonlyMap<string, string>): [name: string, body: string][] {
  const lines = [...files].map(([path, body]) => sumLine(sha256(body), path)).join("");
  const origin = { folder: "/x", host: "x" };
  const counts = { files: 1, bytes: 1, runs: 0, points: 0 };
  const told = { at_us: 1, daemon_version: "1", left_out: [], notes: [], sums: sha256(lines) };
  const { text } = sealManifest({ ...counts, ...told, origin });
  return [...files, ["SHA256SUMS", lines], ["manifest.json", text]];
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function tarOf(entries: readonly [name: string, body: string][]): Promise<string> {
  const tar = pack();
  for (const [name, body] of entries) tar.entry({ name }, body);
  tar.finalize();
  const path = join(room.home, "made-up.tar");
  writeFileSync(path, Buffer.concat((await Array.fromAsync(tar)) as Buffer[]));
  return path;
}

test.each<[string, string, readonly string[]]>([
  ["a file that is a folder as well", "has a path that no folder can hold", ["spool/a", "spool/a/b"]],
  ["a folder that is a file as well", "has a path that no folder can hold", ["spool/a/b", "spool/a"]],
  ["too long a name", "has a path that no folder can hold", [`spool/${"a".repeat(300)}`]],
  ["no journal", "is missing", []],
])("well sealed, and with %s", async (_, what, paths) => {
  const journal = paths.length === 0 ? [] : ["journal.db"];
  const backup = await tarOf(sealed(new Map([...journal, ...paths].map((path) => [path, path]))));
  const restoring = room.restore(backup, "victim");
  await expect(restoring).rejects.toMatchObject({
    code: "CORRUPT_BACKUP",
    message: expect.stringContaining(what),
  });
  expect(readdirSync(join(room.home, "victim"))).toEqual([]);
});

test("a manifest without an end is not taken into memory", async () => {
  const header = readFileSync(await tarOf([["manifest.json", ""]])).subarray(0, 512);
  // Its size in octal, and the checksum of the header, in which itself counts as spaces.
  header.write("20000000000 ", 124);
  header.write("        ", 148);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  const path = join(room.home, "endless.tar");
  writeFileSync(path, header);
  truncateSync(path, 512 + 0o20000000000);
  await expect(check(path)).rejects.toMatchObject({
    code: "CORRUPT_BACKUP",
    field: "manifest.json",
    message: expect.stringContaining("is larger than"),
  });
});

test("what is no backup, and what is not there, is told", async () => {
  await expect(check(join(room.home, "none"))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  writeFileSync(join(room.home, "empty.tar"), "");
  await expect(check(join(room.home, "empty.tar"))).rejects.toMatchObject({ code: "CORRUPT_BACKUP" });
  const newer = join(room.home, "newer");
  cpSync(sound, newer, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(newer, "manifest.json"), "utf8"));
  writeFileSync(join(newer, "manifest.json"), JSON.stringify({ ...manifest, form: 2, more: 1 }));
  await expect(check(newer)).rejects.toMatchObject({ code: "FORMAT_TOO_NEW" });
});

function flipped(bytes: Buffer, where: number, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = where % bytes.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

/** Whether a byte of a tar lies behind the content of an entry, or behind the last entry. */
function isFilling(tar: Buffer, at: number): boolean {
  for (let header = 0; header < tar.length; ) {
    if (tar[header] === 0) return at >= header;
    const size = Number.parseInt(tar.toString("latin1", header + 124, header + 135), 8);
    const next = header + 512 + Math.ceil(size / 512) * 512;
    if (at < next) return at >= header + 512 + size;
    header = next;
  }
  return false;
}
