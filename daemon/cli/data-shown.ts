/** What the commands of `pkx data` tell. */
import {
  type Dataset,
  type DatasetCallSettings,
  type DatasetEntry,
  DatasetState,
  type Datasets,
  type DatasetTransfer,
  type Progress,
} from "@pipekit/experiment";
import { bytes, count, counted } from "../format.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { pairs, plain, table } from "./terminal.ts";

export interface RepoOption {
  /** A folder that is, or lies in, the repository. */
  readonly repo: string;
}

/** Does the work with a line that tells how far it is. */
async function withProgress<T>(
  context: Context,
  { repo }: RepoOption,
  work: (datasets: Datasets, settings: DatasetCallSettings) => Promise<T>,
): Promise<T> {
  const line = new ProgressLine(context.terminal);
  const onProgress = (progress: Progress): void => {
    if (!context.json) line.show(progressText(progress));
  };
  try {
    return await context.withClient((client) =>
      work(client.datasets(repo), { signal: context.signal, onProgress }),
    );
  } finally {
    line.clear();
  }
}

function progressText({ phase, bytesDone, bytesTotal, filesDone, filesTotal }: Progress): string {
  const files = filesTotal === 0 ? "" : `, ${count(filesDone)} of ${count(filesTotal)} files`;
  const total = bytesTotal === 0 ? "" : ` of ${bytes(bytesTotal)}`;
  return `${plain(phase)} ${bytes(bytesDone)}${total}${files}`;
}

/** Tells a version. */
export async function tellOf(
  context: Context,
  options: RepoOption,
  work: (datasets: Datasets, settings: DatasetCallSettings) => Promise<Dataset>,
): Promise<undefined> {
  const dataset = await withProgress(context, options, work);
  context.print(dataset, () =>
    pairs(
      [
        ["path", dataset.path],
        ["hash", dataset.hash],
        ["sha256", dataset.sha256],
        ["size", `${bytes(dataset.size)} in ${counted(dataset.files, "file")}`],
        ["recorded in", dataset.recordedIn],
      ].filter((entry): entry is [string, string] => entry[1] !== ""),
    ),
  );
}

/** Tells what was moved. `verb` says how, such as `sent`. */
export async function move(
  context: Context,
  options: RepoOption,
  verb: string,
  work: (datasets: Datasets, settings: DatasetCallSettings) => Promise<DatasetTransfer>,
): Promise<undefined> {
  const transfer = await withProgress(context, options, work);
  const { objects, bytes: size, present } = transfer;
  const before = present === 0 ? "" : `, ${count(present)} there before`;
  context.print(transfer, () => [`${counted(objects, "object")} ${verb} (${bytes(size)})${before}.`]);
}

const STATES: Readonly<Partial<Record<DatasetState, string>>> = {
  [DatasetState.DATASET_STATE_UNCHANGED]: "unchanged",
  [DatasetState.DATASET_STATE_MODIFIED]: "modified",
  [DatasetState.DATASET_STATE_MISSING]: "missing",
};

/** Tells how records and workspace differ. */
export async function showStatus(
  context: Context,
  targets: readonly string[],
  { repo }: RepoOption,
): Promise<number> {
  const entries = await context.withClient((client) =>
    client.datasets(repo).status(targets, { signal: context.signal }),
  );
  const columns = [{ title: "DATA" }, { title: "STATE" }, { title: "HASH" }, { title: "SIZE", right: true }];
  context.print({ entries: entries.map(entryDocument) }, () =>
    entries.length === 0 ? ["No data sets."] : table(columns, entries.map(entryRow)),
  );
  return entries.every(({ state }) => state === DatasetState.DATASET_STATE_UNCHANGED) ? EXIT.ok : EXIT.failed;
}

function entryDocument(entry: DatasetEntry): unknown {
  return { ...entry, state: STATES[entry.state] ?? "" };
}

function entryRow({ recorded, state, missingInCache }: DatasetEntry): string[] {
  const lacking = missingInCache === 0 ? "" : ` (${counted(missingInCache, "object")} not in the cache)`;
  return [
    recorded?.path ?? "",
    `${STATES[state] ?? ""}${lacking}`,
    recorded?.hash ?? "",
    recorded === undefined ? "" : bytes(recorded.size),
  ];
}
