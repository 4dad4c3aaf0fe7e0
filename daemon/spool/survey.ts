/** What lies in the folders of rings and spool files, for a person; nothing is taken and nothing removed. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Owner, ownerState } from "./owner.ts";
import { RingFile } from "./ring-file.ts";
import { SpoolFile } from "./spool-file.ts";

/** A longer spool file is not read for its end, bytes. */
const READ_AT_MOST = 256 * 1024 ** 2;

/** Paths of files. */
export interface SpoolSurvey {
  /** Of living processes. */
  readonly live: readonly string[];
  /** Of dead ones, for a daemon to take. */
  readonly waiting: readonly string[];
  /** Of processes in another pid namespace, which a daemon here leaves alone. */
  readonly elsewhere: readonly string[];
  /** Damaged from the start: nobody can take them. */
  readonly damaged: readonly string[];
  /** Spool files of dead processes, among `waiting`, that end in something that is no whole frame. */
  readonly torn: readonly string[];
}

export async function surveySpool(ringsFolder: string, spoolFolder: string): Promise<SpoolSurvey> {
  const survey = { live: [], waiting: [], elsewhere: [], damaged: [], torn: [] } as {
    [kind in keyof SpoolSurvey]: string[];
  };
  const kinds = { lives: survey.live, dead: survey.waiting, elsewhere: survey.elsewhere };
  for (const path of [...(await pathsIn(ringsFolder, ".ring")), ...(await pathsIn(spoolFolder, ".frames"))]) {
    const found = await lookAt(path);
    if (found === "gone") continue;
    if (found === "damaged") survey.damaged.push(path);
    else {
      const state = ownerState(found.owner);
      kinds[state].push(path);
      if (found.torn && state === "dead") survey.torn.push(path);
    }
  }
  return survey;
}

type Look = "gone" | "damaged" | { readonly owner: Owner; readonly torn: boolean };

async function lookAt(path: string): Promise<Look> {
  const file = await (path.endsWith(".ring") ? RingFile.open(path) : SpoolFile.open(path)).catch(
    () => "damaged" as const,
  );
  if (file === "damaged") return file;
  // A spool file without a whole header is told in the same way as one that is gone.
  const found = await stat(path).catch(() => undefined);
  if (file === undefined) return found === undefined ? "gone" : "damaged";
  try {
    if (file instanceof RingFile || (found?.size ?? 0) > READ_AT_MOST)
      return { owner: file.owner, torn: false };
    for await (const _frame of file.frames());
    return { owner: file.owner, torn: file.tornBytes > 0 };
  } finally {
    await file.close();
  }
}

async function pathsIn(folder: string, ending: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}
