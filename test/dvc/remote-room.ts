/** What tests of remotes share: a repository made by hand, with data in its cache. */
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { DatasetProgress, DatasetWork } from "@pipekit/adapters/dataset";
import { formatListing, listingHash } from "../../adapters/dvc/listing.ts";
import { Remotes } from "../../adapters/dvc/remotes/opening.ts";
import { Repository } from "../../adapters/dvc/repository.ts";
import { findTargets } from "../../adapters/dvc/targets.ts";
import type { Transferred } from "../../adapters/dvc/transfer.ts";
import { fetchTargets } from "../../adapters/dvc/transfer-fetch.ts";
import { pushTargets } from "../../adapters/dvc/transfer-push.ts";

/** A repository of DVC's in a folder of its own. */
export interface Repo {
  readonly folder: string;
  /** Environment of its calls: nothing of this user's. */
  readonly env: NodeJS.ProcessEnv;
  /** Puts a file into the cache, and its `.dvc` file beside where it would lie. Returns the hash. */
  file(path: string, bytes: Buffer, more?: string): Promise<string>;
  /** The same for a folder, its files by their paths. */
  data(path: string, files: Readonly<Record<string, Buffer>>, more?: string): Promise<string>;
  /** Where the cache keeps an object. */
  object(hash: string): string;
  /** Gives the cache up. */
  forget(): Promise<void>;
  /** Writes `.dvc/config`. */
  configure(text: string): Promise<void>;
  push(targets?: readonly string[], remote?: string, work?: Partial<DatasetWork>): Promise<Transferred>;
  fetch(targets?: readonly string[], remote?: string, work?: Partial<DatasetWork>): Promise<Transferred>;
  remove(): Promise<void>;
}

export const never = new AbortController().signal;

export async function makeRepo(config: string, env: NodeJS.ProcessEnv = {}): Promise<Repo> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-dvc-"));
  await mkdir(join(folder, ".dvc"));
  const object = (hash: string) => join(folder, ".dvc/cache/files/md5", hash.slice(0, 2), hash.slice(2));
  const keep = async (hash: string, bytes: Buffer): Promise<void> => {
    await mkdir(dirname(object(hash)), { recursive: true });
    await rm(object(hash), { force: true });
    await writeFile(object(hash), bytes);
    await chmod(object(hash), 0o444);
  };
  const record = async (path: string, fields: string, more: string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    const name = path.split("/").at(-1) ?? "";
    await writeFile(join(folder, `${path}.dvc`), `outs:\n- ${fields}\n  hash: md5\n  path: ${name}\n${more}`);
  };
  const repo: Repo = {
    folder,
    env: { DVC_SYSTEM_CONFIG_DIR: join(folder, "none"), ...env },
    async file(path, bytes, more = "") {
      const hash = md5(bytes);
      await keep(hash, bytes);
      await record(path, `md5: ${hash}\n  size: ${bytes.length}`, more);
      return hash;
    },
    async data(path, files, more = "") {
      const entries = Object.entries(files).map(([relpath, bytes]) => ({ relpath, md5: md5(bytes), bytes }));
      for (const entry of entries) await keep(entry.md5, entry.bytes);
      const listing = formatListing(entries);
      const hash = listingHash(listing);
      await keep(hash, listing);
      const size = entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
      await record(path, `md5: ${hash}\n  size: ${size}\n  nfiles: ${entries.length}`, more);
      return hash;
    },
    object,
    forget: () => rm(join(folder, ".dvc/cache"), { recursive: true, force: true }),
    configure: (text) => writeFile(join(folder, ".dvc/config"), text),
    push: (targets = [], remote = "", work = {}) => moved(repo, pushTargets, targets, remote, work),
    fetch: (targets = [], remote = "", work = {}) => moved(repo, fetchTargets, targets, remote, work),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await repo.configure(config);
  return repo;
}

/** Pushes or fetches data of a repository; all of them unless targets are named. */
export async function moved(
  { folder, env }: Pick<Repo, "folder" | "env">,
  move: typeof pushTargets,
  targets: readonly string[] = [],
  remote = "",
  work: Partial<DatasetWork> = {},
): Promise<Transferred> {
  const context = { env, home: folder, cacheFolder: join(folder, "unused"), note: () => undefined };
  const repository = await Repository.open(folder, context);
  const remotes = new Remotes(repository.config.remotes, env);
  const whole = { signal: never, onProgress: () => undefined, ...work };
  const found = await findTargets(repository, targets);
  return remotes.during(() => move(repository, remotes, found, remote, whole));
}

export function md5(bytes: Buffer | string): string {
  return createHash("md5").update(bytes).digest("hex");
}

/** Random files by name. */
export function randomFiles(count: number, size: number): Record<string, Buffer> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`part/${i}.bin`, randomBytes(size)]));
}

/** Work that keeps what it was told, and can be stopped. */
export function listening(signal: AbortSignal = never): DatasetWork & { readonly told: DatasetProgress[] } {
  const told: DatasetProgress[] = [];
  return { signal, told, onProgress: (progress) => told.push(progress) };
}

/** A remote section of `.dvc/config`, and the choice of it as the default. */
export function remoteConfig(name: string, url: string, more = ""): string {
  return `[core]\n    remote = ${name}\n['remote "${name}"']\n    url = ${url}\n${more}`;
}
