/** The regular files of folders that others write to meanwhile. */
import { link, lstat, mkdir, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { unlessMissing } from "@pipekit/adapters/file-faults";

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

export async function sizeOf(path: string): Promise<number> {
  return (await lstat(path).catch(unlessMissing))?.size ?? 0;
}
