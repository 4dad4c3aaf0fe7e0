/** What may be added, and where it is recorded: all that is looked at before anything is written. */
import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { isRecordFile, type RecordedOutput } from "./records.ts";
import type { Repository } from "./repository.ts";
import { stageOutputs } from "./stages.ts";
import { unreadable } from "./unreadable.ts";

/** A file system's 255, less those of `.dvc`. */
const MOST_NAME_BYTES = 251;

/** Absolute path of data to be added. Throws DatasetFault `invalid` outside of the repository or behind a link, `unreadable`. */
export async function dataToAdd(repository: Repository, path: string): Promise<string> {
  if (path === "" || path.includes("\0"))
    throw invalid("The path of the data is empty.", "path", "Name a file or folder.");
  const asked = repository.resolve(path);
  let folder: string;
  let isLinkedFolder: boolean;
  try {
    folder = await realpath(dirname(asked));
    const found = await lstat(asked);
    isLinkedFolder = found.isSymbolicLink() && (await lstat(await realpath(asked))).isDirectory();
  } catch (error) {
    throw unreadable(
      asked,
      error instanceof Error && "code" in error ? String(error.code) : String(error),
      error,
    );
  }
  const data = join(folder, basename(asked));
  const isBehindLink = repository.contains(asked) && folder !== dirname(asked);
  if (isBehindLink || isLinkedFolder) {
    throw invalid(
      `${asked} is, or lies in, a folder that is a symbolic link.`,
      path,
      "Add what the link leads to.",
    );
  }
  if (Buffer.byteLength(basename(data)) > MOST_NAME_BYTES) {
    throw invalid(`The name of ${data} is too long for a .dvc file of it.`, path, "Give it a shorter one.");
  }
  if (!repository.contains(data) || data === repository.root) {
    throw invalid(
      `${data} does not lie in the DVC repository ${repository.root}.`,
      path,
      "Copy the data into it.",
    );
  }
  return data;
}

/**
 * The output that records the data already, if one does. Throws DatasetFault `invalid` for what DVC or Git keep in another
 * way: a stage's output, a part of other data, an import, files that Git tracks, files of DVC's own, what `.dvcignore` names.
 */
export async function ownRecord(
  repository: Repository,
  data: string,
  isFolder: boolean,
): Promise<RecordedOutput | undefined> {
  const shown = repository.show(data);
  const name = basename(data);
  if (!isFolder && (isRecordFile(name) || name === "dvc.yaml")) {
    throw invalid(`${shown} is a file of DVC's own.`, shown, "Add the data that it is about.");
  }
  if (repository.ignored.has(data, isFolder)) {
    throw invalid(`${shown} is ignored by .dvcignore.`, shown, "Take it out of .dvcignore.");
  }
  const records = await repository.records();
  const own = records.find((output) => output.path === data);
  if (own !== undefined && own.stage !== "") throw ofStage(shown, own.stage);
  if (own?.isImported === true) throw invalid(`${shown} is imported.`, shown, "Run `dvc update` instead.");
  for (const pipeline of await repository.pipelines()) {
    const stage = (await stageOutputs(pipeline)).owner(data, dirname(pipeline));
    if (stage !== undefined) throw ofStage(shown, stage);
  }
  for (const { path } of records) {
    if (data.startsWith(path + sep)) {
      throw invalid(
        `${shown} is a part of ${repository.show(path)}, which is added already.`,
        shown,
        "Add that one anew.",
      );
    }
    if (path.startsWith(data + sep)) {
      const mend = "Remove that one first: `dvc remove` its .dvc file.";
      throw invalid(`${repository.show(path)}, a part of ${shown}, is added already.`, shown, mend);
    }
  }
  if (repository.git?.tracks(data) === true) {
    const mend = `Take it out of Git: git rm -r --cached '${shown}'; then commit that.`;
    throw invalid(`${shown} is tracked by Git.`, shown, mend);
  }
  if (own === undefined && (await exists(`${data}.dvc`))) {
    throw invalid(
      `${shown}.dvc is there and records something else.`,
      `${shown}.dvc`,
      "Move it away, or name the data otherwise.",
    );
  }
  return own;
}

function ofStage(shown: string, stage: string): DatasetFault {
  return invalid(
    `${shown} is an output of the stage ${stage}.`,
    shown,
    "Run the pipeline: `dvc repro`; or `dvc commit`.",
  );
}

function invalid(message: string, field: string, mend: string): DatasetFault {
  return new DatasetFault("invalid", message, { field, mend });
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
