/** The gRPC handlers of data sets: requests to calls, calls to answers, faults to typed errors. */
import {
  type DatasetComparison,
  DatasetFault,
  type DatasetFaultKind,
  type DatasetProgress,
  type DatasetRepository,
  type DatasetStateName,
  type DatasetTool,
  type DatasetWork,
} from "@pipekit/adapters/dataset";
import {
  type DatasetEntry,
  type DatasetServiceServer,
  DatasetState,
  type DatasetTransfer,
  type FailureCode,
  PipekitError,
  type Progress,
} from "@pipekit/proto";
import type { Logger } from "pino";
import { missing, serverStream, unary } from "./calls.ts";
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
    addDataset: serverStream(log, async function* ({ repo, path }, signal) {
      for await (const told of working(signal, async (work) => (await at(repo)).add(path, work))) {
        yield {
          told: "answer" in told ? { $case: "dataset" as const, value: told.answer } : progressed(told),
        };
      }
    }),
    hashDataset: serverStream(log, async function* ({ repo, path }, signal) {
      const hash = async (work: DatasetWork) =>
        repo === "" ? datasets.hash(path, work) : (await at(repo)).hash(path, work);
      for await (const told of working(signal, hash)) {
        yield {
          told: "answer" in told ? { $case: "dataset" as const, value: told.answer } : progressed(told),
        };
      }
    }),
    datasetStatus: unary(log, ({ repo, targets }, signal) =>
      typed(async () => {
        const work = { signal, onProgress: () => undefined };
        return { entries: (await (await at(repo)).status(targets, work)).map(entryOf) };
      }),
    ),
    pushDatasets: serverStream(log, async function* ({ repo, ...choice }, signal) {
      yield* transferring(working(signal, async (work) => (await at(repo)).push(choice, work)));
    }),
    pullDatasets: serverStream(log, async function* ({ repo, ...choice }, signal) {
      yield* transferring(working(signal, async (work) => (await at(repo)).pull(choice, work)));
    }),
    checkoutDataset: serverStream(log, async function* ({ repo, ...choice }, signal) {
      yield* transferring(working(signal, async (work) => (await at(repo)).checkout(choice, work)));
    }),
  };
}

type Told<T> = { readonly progress: Progress } | { readonly answer: T };

/** A call's progress, and its answer last; faults are typed. */
async function* working<T>(
  signal: AbortSignal,
  call: (work: DatasetWork) => Promise<T>,
): AsyncGenerator<Told<T>> {
  const events = telling((onProgress) =>
    typed(() => call({ signal, onProgress: (progress) => onProgress(progressOf(progress)) })),
  );
  for await (const told of events) {
    yield told.kind === "progress" ? { progress: told.progress } : { answer: told.answer };
  }
}

type TransferAnswer = Awaited<ReturnType<DatasetRepository["push"]>>;

async function* transferring(events: AsyncIterable<Told<TransferAnswer>>) {
  for await (const told of events) {
    const transfer = "answer" in told ? transferOf(told.answer) : undefined;
    if (transfer !== undefined) yield { told: { $case: "transfer" as const, value: transfer } };
    else if ("progress" in told) yield { told: progressed(told) };
  }
}

function progressed({ progress }: { readonly progress: Progress }) {
  return { $case: "progress" as const, value: progress };
}

function progressOf(progress: DatasetProgress): Progress {
  return { ...progress, modelsDone: 0, modelsTotal: 0 };
}

function transferOf({ datasets, ...sums }: TransferAnswer): DatasetTransfer {
  return { ...sums, datasets: [...datasets] };
}

function entryOf({ state, ...comparison }: DatasetComparison): DatasetEntry {
  return { ...comparison, state: STATES[state] };
}

/** Runs a call; a DatasetFault becomes the error that clients know. */
async function typed<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof DatasetFault)) throw cause;
    const { field, mend } = cause;
    throw new PipekitError(CODES[cause.kind], cause.message, { field, mend, cause });
  }
}
