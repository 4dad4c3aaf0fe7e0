/** The gRPC handlers of data sets: requests to calls, calls to answers, faults to typed errors. */
import {
  type DatasetComparison,
  DatasetFault,
  type DatasetFaultKind,
  type DatasetProgress,
  type DatasetRepository,
  type DatasetStateName,
  type DatasetTool,
  type DatasetTransfer,
  type DatasetVersion,
  type DatasetWork,
} from "@pipekit/adapters/dataset";
import {
  type DatasetEntry,
  type DatasetServiceServer,
  DatasetState,
  type FailureCode,
  type Progress,
} from "@pipekit/proto";
import type { Logger } from "pino";
import { missing, serverStream, typedFaults, unary } from "./calls.ts";
import { telling } from "./progress.ts";

const CODES: Readonly<Record<DatasetFaultKind, FailureCode>> = {
  invalid: "INVALID_ARGUMENT",
  unreadable: "ARTIFACT_UNREADABLE",
  "not-found": "DATASET_NOT_FOUND",
  corrupt: "CORRUPT_DATASET",
  locked: "DATASET_LOCKED",
  changed: "DATASET_CHANGED",
  remote: "DATASET_REMOTE_UNAVAILABLE",
};

const STATES: Readonly<Record<DatasetStateName, DatasetState>> = {
  unchanged: DatasetState.DATASET_STATE_UNCHANGED,
  modified: DatasetState.DATASET_STATE_MODIFIED,
  missing: DatasetState.DATASET_STATE_MISSING,
};

/** Handlers of DatasetService. */
export function datasetService(options: { datasets: DatasetTool; log: Logger }): DatasetServiceServer {
  const { datasets, log } = options;
  const at = async (repo: string): Promise<DatasetRepository> => {
    if (repo === "") throw missing("repo");
    return datasets.open(repo);
  };
  return {
    addDataset: serverStream(log, ({ repo, path }, signal) =>
      working(signal, async (work) => datasetOf(await (await at(repo)).add(path, work))),
    ),
    hashDataset: serverStream(log, ({ repo, path }, signal) =>
      working(signal, async (work) =>
        datasetOf(repo === "" ? await datasets.hash(path, work) : await (await at(repo)).hash(path, work)),
      ),
    ),
    datasetStatus: unary(log, ({ repo, targets }, signal) =>
      typed(async () => {
        const work = { signal, onProgress: () => undefined };
        return { entries: (await (await at(repo)).status(targets, work)).map(entryOf) };
      }),
    ),
    pushDatasets: serverStream(log, ({ repo, ...choice }, signal) =>
      working(signal, async (work) => transferOf(await (await at(repo)).push(choice, work))),
    ),
    pullDatasets: serverStream(log, ({ repo, ...choice }, signal) =>
      working(signal, async (work) => transferOf(await (await at(repo)).pull(choice, work))),
    ),
    checkoutDataset: serverStream(log, ({ repo, ...choice }, signal) =>
      working(signal, async (work) => transferOf(await (await at(repo)).checkout(choice, work))),
    ),
  };
}

/** A call's progress, and its answer last, as messages; faults are typed. */
async function* working<A>(signal: AbortSignal, call: (work: DatasetWork) => Promise<A>) {
  const events = telling((onProgress) =>
    typed(() => call({ signal, onProgress: (progress) => onProgress(progressOf(progress)) })),
  );
  for await (const told of events) {
    yield {
      told: told.kind === "progress" ? { $case: told.kind, value: told.progress } : told.answer,
    };
  }
}

function progressOf(progress: DatasetProgress): Progress {
  return { ...progress, modelsDone: 0, modelsTotal: 0 };
}

function datasetOf(value: DatasetVersion) {
  return { $case: "dataset" as const, value };
}

function transferOf({ datasets, ...sums }: DatasetTransfer) {
  return { $case: "transfer" as const, value: { ...sums, datasets: [...datasets] } };
}

function entryOf({ state, ...comparison }: DatasetComparison): DatasetEntry {
  return { ...comparison, state: STATES[state] };
}

function typed<T>(call: () => Promise<T>): Promise<T> {
  return typedFaults(DatasetFault, CODES, call);
}
