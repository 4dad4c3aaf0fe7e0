/** What tests of repositories share: a repository in a folder of its own, and the tool that opens it. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  DatasetFault,
  type DatasetProgress,
  type DatasetTransfer,
  type DatasetVersion,
  type DatasetWork,
} from "@pipekit/adapters/dataset";
import { dvcDatasets } from "../../adapters/dvc/index.ts";

export type Room = ReturnType<typeof makeRoom>;

/** A repository as `dvc init` makes it, in Git unless told otherwise. */
export function makeRoom({
  git = true,
  config = "",
}: {
  readonly git?: boolean;
  readonly config?: string;
} = {}) {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "pkx-dvc-")));
  const root = join(home, "repo");
  mkdirSync(join(root, ".dvc"), { recursive: true });
  writeFileSync(join(root, ".dvc/config"), git ? config : `[core]\n    no_scm = True\n${config}`);
  writeFileSync(join(root, ".dvc/.gitignore"), "/config.local\n/tmp\n/cache\n");
  if (git) run("git", "init", "-q");
  const told: DatasetProgress[] = [];
  const notes: string[] = [];
  const work: DatasetWork = {
    signal: new AbortController().signal,
    onProgress: (progress) => void told.push(progress),
  };
  const context = {
    env: { DVC_SYSTEM_CONFIG_DIR: join(home, "none"), DVC_GLOBAL_CONFIG_DIR: join(home, "none") },
    home,
    cacheFolder: join(home, "memory"),
    note: (sentence: string) => void notes.push(sentence),
  };
  const tool = dvcDatasets(context);
  const at = (path: string) => join(root, path);

  function run(command: string, ...args: readonly string[]): string {
    return execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  return {
    home,
    root,
    told,
    notes,
    context,
    tool,
    work,
    at,
    run,
    write(path: string, text: string | Buffer, mode = 0o644): void {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), text);
      chmodSync(at(path), mode);
    },
    read: (path: string): string => readFileSync(at(path), "utf8"),
    mode: (path: string): number => statSync(at(path)).mode & 0o777,
    /** Where the cache keeps an object, from the root. */
    object: (hash: string): string => join(".dvc/cache/files/md5", hash.slice(0, 2), hash.slice(2)),
    add: async (path: string, by = work): Promise<DatasetVersion> => (await tool.open(root)).add(path, by),
    hash: async (path: string): Promise<DatasetVersion> => (await tool.open(root)).hash(path, work),
    /** States by path. */
    status: async (...targets: string[]): Promise<Record<string, string>> => {
      const entries = await (await tool.open(root)).status(targets, work);
      return Object.fromEntries(entries.map(({ recorded, state }) => [recorded.path, state]));
    },
    checkout: async (options: Partial<Checkout> = {}): Promise<DatasetTransfer> => {
      const all = { targets: [], hash: "", path: "", remote: "", force: false, ...options };
      return (await tool.open(root)).checkout(all, work);
    },
    /** Every file below the root that is not the tools' own, with its text. */
    files: (): Record<string, string> =>
      Object.fromEntries(
        readdirSync(root, { recursive: true, withFileTypes: true })
          .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
          .filter(
            (path) =>
              !/^\.(git|dvc|site-cache)\//.test(path) &&
              statSync(at(path), { throwIfNoEntry: false })?.isFile(),
          )
          .toSorted()
          .map((path) => [path, readFileSync(at(path), "latin1")]),
      ),
    remove: (): void => rmSync(home, { recursive: true, force: true }),
  };
}

interface Checkout {
  readonly targets: readonly string[];
  readonly hash: string;
  readonly path: string;
  readonly force: boolean;
}

/** The fault that a call ends with. */
export async function faultOf(call: Promise<unknown>): Promise<DatasetFault> {
  const error = await call.then(
    () => new Error("It did not fail."),
    (thrown: unknown) => thrown,
  );
  if (error instanceof DatasetFault) return error;
  throw error;
}
