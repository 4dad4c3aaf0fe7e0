/** The regular files of folders that others write to meanwhile. */
import { link, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unlessMissing } from "@pipekit/adapters/file-faults";
import { syncFolder } from "@pipekit/adapters/files";
import { eachOf } from "@pipekit/adapters/workers";

const FOLDERS_AT_ONCE = 4;

/** A file, and its path from the folder that was asked for. */
export interface TreeFile {
  readonly path: string;
  readonly source: string;
}

/** Regular files below a folder, sorted by path; none when it is not there. `others` gets what is neither file nor folder. */
export async function filesUnder(
  folder: string,
  passes: (path: string) => boolean = () => true,
  others: string[] = [],
): Promise<TreeFile[]> {
  const files: TreeFile[] = [];
  const visit = async (relative: string): Promise<void> => {
    const entries = await readdir(join(folder, relative), { withFileTypes: true }).catch(unlessMissing);
    for (const entry of entries ?? []) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (!passes(path)) continue;
      if (entry.isDirectory()) await visit(path);
      else if (entry.isFile()) files.push({ path, source: join(folder, path) });
      else others.push(join(folder, path));
    }
  };
  await visit("");
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Gives a file another name, in folders made as needed; false when it is gone. */
export async function linkInto(source: string, target: string): Promise<boolean> {
  await mkdir(dirname(target), { recursive: true });
  return link(source, target).then(
    () => true,
    (error: unknown) => unlessMissing(error) ?? false,
  );
}

/** Makes folders below a new one for files that are to be written, and their names durable at the end. */
export class NewFolders {
  readonly #mode: number | undefined;
  readonly #made: Set<string>;

  /** `root` exists; `mode` is that of the folders in it, by default the process's own. */
  constructor(root: string, mode?: number) {
    this.#mode = mode;
    this.#made = new Set([root]);
  }

  /** Makes the folder of a file below the root. */
  async makeFor(file: string): Promise<void> {
    await mkdir(dirname(file), { recursive: true, ...(this.#mode !== undefined && { mode: this.#mode }) });
    for (let folder = dirname(file); !this.#made.has(folder); folder = dirname(folder))
      this.#made.add(folder);
  }

  async sync(signal = new AbortController().signal): Promise<void> {
    await eachOf([...this.#made], FOLDERS_AT_ONCE, (folder) => syncFolder(folder), signal);
  }
}

export async function sizeOf(path: string): Promise<number> {
  return (await lstat(path).catch(unlessMissing))?.size ?? 0;
}
