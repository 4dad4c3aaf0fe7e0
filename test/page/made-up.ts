/** Documents of the editor protocol that no daemon ever told. */
import type {
  JsonNumber,
  ModelBrief,
  ModelDocument,
  RunBrief,
  RunDocument,
  SeriesPoints,
  SinkDocument,
  TagMoveDocument,
} from "@pipekit/proto/editor";

export const BEGAN_US = 1_760_000_000_000_000;

/** A crockford digit string as long as a run's id. */
export function runId(number: number): string {
  return `01J${String(number).padStart(23, "0")}`;
}

export function madeSink(over: Partial<SinkDocument> = {}): SinkDocument {
  return {
    spec: "mlflow+http://127.0.0.1:5000/digits",
    state: "sending",
    pointsSent: 10,
    pointsPending: 0,
    pointsDead: 0,
    lastError: "",
    retryAtUs: 0,
    remoteId: "",
    remoteUrl: "",
    pendingSinceUs: 0,
    notes: [],
    ...over,
  };
}

export function madeBrief(number: number, over: Partial<RunBrief> = {}): RunBrief {
  return {
    runId: runId(number),
    name: `run ${number}`,
    state: "completed",
    reason: "",
    startedAtUs: BEGAN_US + number * 1e6,
    endedAtUs: BEGAN_US + number * 1e6 + 5e6,
    points: number,
    tags: {},
    sinks: [],
    ...over,
  };
}

export function madeRun(brief: RunBrief, over: Partial<RunDocument> = {}): RunDocument {
  return {
    ...brief,
    pipelineHash: "",
    config: {},
    params: {},
    host: "box",
    pid: 1,
    client: "test",
    series: [],
    artifacts: [],
    ...over,
  };
}

/** A run with metrics of these keys. */
export function withMetrics(run: RunDocument, keys: readonly string[]): RunDocument {
  const rest = { points: 1, lastStep: 0, lastValue: 0, minValue: 0, maxValue: 0 };
  return { ...run, series: keys.map((key) => ({ key, ...rest })) };
}

/** Points at steps `from`, `from + 1`, ..., a second apart. */
export function madePoints(key: string, values: readonly JsonNumber[], from = 0): SeriesPoints {
  const steps = values.map((_, index) => from + index);
  return {
    key,
    steps,
    values,
    timesUs: steps.map((step) => BEGAN_US + step * 1e6),
    pointsInRange: values.length,
  };
}

export function hashOf(digit: string): string {
  return digit.repeat(64);
}

export function madeModel(hash: string, over: Partial<ModelDocument> = {}): ModelDocument {
  const brief: ModelBrief = {
    hash,
    operator: "shop.Classifier",
    tags: [],
    weightsSize: 1_500_000,
    hasWeights: true,
    weightsFormat: "safetensors",
    createdAtUs: BEGAN_US,
    runId: "",
  };
  const documents = { metadata: {}, operatorState: {}, trainingConfig: { lr: 0.001 } };
  return { ...brief, ...documents, datasetHash: "", weightsSha256: hashOf("e"), ...over };
}

export function madeMove(
  seq: number,
  hash: string,
  previousHash: string,
  name = "production",
): TagMoveDocument {
  return {
    name,
    seq,
    hash,
    previousHash,
    actor: "ada@box",
    atUs: BEGAN_US + seq * 1e6,
    reason: `move ${seq}`,
  };
}
