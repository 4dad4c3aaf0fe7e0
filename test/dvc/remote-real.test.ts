/** The real DVC at the other end of a remote: what it pushes we fetch, what we push it pulls. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { legacyMd5OfFile } from "../../adapters/dvc/legacy-digest.ts";
import { dvc, PYTHON } from "../support/dvc.ts";
import { ADMIN, BUCKET, type S3Server, startSeaweed } from "../support/seaweed.ts";
import { makeRepo, type Repo, remoteConfig } from "./remote-room.ts";

let server: S3Server;
let root: string;

beforeAll(async () => {
  server = await startSeaweed();
  root = await mkdtemp(join(tmpdir(), "pkx-real-remotes-"));
});
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

const FILES: Readonly<Record<string, Buffer>> = {
  "model.bin": randomBytes(100_000),
  "set/a \u00e9\u{1f600}.txt": Buffer.from("text\n"),
  "set/\uff5e.txt": Buffer.from("beyond\n"),
  "set/deep/er/b.bin": randomBytes(9 * 1024 * 1024),
  "set/empty": Buffer.alloc(0),
};

const CONFIGS: Readonly<Record<string, (name: string) => string>> = {
  "a folder": (name) => remoteConfig("there", join(root, name)),
  "a bucket": (name) =>
    remoteConfig(
      "there",
      `s3://${BUCKET}/real/${name}`,
      `    endpointurl = ${server.endpoint}\n    region = us-east-1\n    access_key_id = ${ADMIN.accessKey}\n    secret_access_key = ${ADMIN.secretKey}\n`,
    ),
};

/** As DVC's own `init --no-scm` writes it, with a remote. */
const withoutGit = (config: string): string => config.replace("[core]\n", "[core]\n    no_scm = true\n");

/** A repository with the records of another one, and nothing in its cache. */
async function cloneOf(repo: Repo, config: string): Promise<Repo> {
  const clone = await makeRepo(config);
  for (const name of await readdir(repo.folder)) {
    if (name.endsWith(".dvc") && name !== ".dvc")
      await copyFile(join(repo.folder, name), join(clone.folder, name));
  }
  return clone;
}

test.each(["a folder", "a bucket"])("through %s DVC's data comes to us, and ours to DVC", async (kind) => {
  const config = (name: string): string => CONFIGS[kind]?.(name) ?? "";
  const theirs = await makeRepo("");
  await rm(join(theirs.folder, ".dvc"), { recursive: true });
  await dvc(theirs.folder, ["init", "--no-scm", "-q"]);
  await writeFile(join(theirs.folder, ".dvc/config"), withoutGit(config("first")));
  for (const [path, bytes] of Object.entries(FILES)) {
    await mkdir(dirname(join(theirs.folder, path)), { recursive: true });
    await writeFile(join(theirs.folder, path), bytes);
  }
  await dvc(theirs.folder, ["add", "-q", "set", "model.bin"], ["push", "-q"]);

  const ours = await cloneOf(theirs, config("first"));
  expect(await ours.fetch()).toMatchObject({ objects: 6, present: 0 });
  expect(await ours.push()).toMatchObject({ objects: 0, present: 6 });
  await ours.configure(config("second"));
  expect(await ours.push()).toMatchObject({ objects: 6, present: 0 });

  const again = await cloneOf(ours, withoutGit(config("second")));
  const pulled = await dvc(again.folder, ["pull"], ["status"], ["status", "--cloud"]);
  for (const [path, bytes] of Object.entries(FILES)) {
    expect((await readFile(join(again.folder, path))).equals(bytes), path).toBe(true);
  }
  expect(pulled).toContain("Data and pipelines are up to date.");
  expect(pulled).toContain("Cache and remote 'there' are in sync.");
  for (const repo of [theirs, ours, again]) await repo.remove();
});

test("the hash of DVC 2 is DVC's", async () => {
  const folder = await mkdtemp(join(root, "hashes-"));
  const contents: readonly Buffer[] = [
    Buffer.alloc(0),
    Buffer.from("one\r\ntwo\r\n\r\r\n"),
    Buffer.from("\0one\r\n"),
    Buffer.from("\u00e9\u00e8\r\n".repeat(40)),
    Buffer.from("text \u00e9\r\n".repeat(100_000)),
    Buffer.concat([Buffer.from("text\r\n".repeat(175_000)), randomBytes(2_000_000), Buffer.from("\r\n")]),
  ];
  const paths = contents.map((_, i) => join(folder, String(i)));
  for (const [i, bytes] of contents.entries()) await writeFile(paths[i] ?? "", bytes);
  const program =
    "import sys; from dvc_data.hashfile.hash import fobj_md5\n" +
    "for path in sys.argv[1:]: print(fobj_md5(open(path, 'rb'), name='md5-dos2unix'))";
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", program, ...paths]);
  expect(await Promise.all(paths.map(legacyMd5OfFile))).toEqual(stdout.trim().split("\n"));
});
