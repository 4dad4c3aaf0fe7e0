/** Making room for data in the workspace. Unless it is given up, what nobody has saved stays, also what came since the plan was made. */
import { existsSync, type Stats } from "node:fs";
import { lstat, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import type { Plan } from "./plan.ts";
import { isUntouched } from "./tree.ts";

export class Clearing {
  /** Whether everything is given up. */
  readonly #force: boolean;

  constructor(force: boolean) {
    this.#force = force;
  }

  /** Removes a file or link of a plan's. Throws DatasetFault `changed`. */
  async remove(plan: Plan, relpath: string): Promise<void> {
    const path = join(plan.wanted.path, relpath);
    if ((await look(path)) === undefined) return;
    this.#refuseNew(plan, relpath);
    await unlink(path);
  }

  /** Sees to it that a file may be put at a path; an empty folder may be there. Throws DatasetFault `changed`. */
  async forFile(plan: Plan, relpath: string): Promise<void> {
    const path = join(plan.wanted.path, relpath);
    const found = await look(path);
    if (found?.isDirectory() === true) await this.folder(path);
    else if (found !== undefined) this.#refuseNew(plan, relpath);
  }

  /** Removes a folder. Throws DatasetFault `changed` for one that has more than empty folders. */
  async folder(path: string): Promise<void> {
    if (this.#force) return rm(path, { recursive: true, force: true });
    const left = await emptied(path);
    if (left === undefined) return;
    throw new DatasetFault("changed", `${path} is in the way, and has files that no data set has: ${left}.`, {
      field: path,
      mend: "Move it away, or give it up with `force`.",
    });
  }

  #refuseNew({ wanted, seen }: Plan, relpath: string): void {
    if (this.#force) return;
    const path = join(wanted.path, relpath);
    const file = seen.get(relpath);
    // A dead link is nothing, and goes.
    if (file === undefined ? !existsSync(path) : isUntouched(file)) return;
    throw new DatasetFault("changed", `${path} was written to during the checkout, which ends here.`, {
      field: path,
      mend: "Add the data first, or give the changes up with `force`.",
    });
  }
}

async function look(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Removes a folder of empty folders; returns what is not empty. */
async function emptied(folder: string): Promise<string | undefined> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return path;
    const left = await emptied(path);
    if (left !== undefined) return left;
  }
  await rmdir(folder);
  return undefined;
}
