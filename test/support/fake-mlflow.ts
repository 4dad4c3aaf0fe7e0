/**
 * A small MLflow that counts: the part of the REST interface that our adapter speaks, in this process. Like the real
 * one it keeps one of several points with equal key, step, value and millisecond.
 */
import {
  answer,
  type FakeHttp,
  type FakePlace,
  type Fault,
  type SeenRequest,
  startFakeHttp,
} from "./fake-http.ts";

/** A point as it was given. */
export interface FakePoint {
  readonly key: string;
  readonly step: number;
  readonly value: number | string;
  readonly timestamp: number;
}

/** One run that the server keeps. */
export interface FakeMlflowRun {
  readonly mlflowRunId: string;
  /** Our id, from the tag. */
  readonly runId: string;
  status: string;
  /** In order of first arrival, each once. */
  readonly points: FakePoint[];
  /** Points given, repeats included. */
  given: number;
}

/** The server. */
export interface FakeMlflow {
  readonly http: FakeHttp;
  readonly host: string;
  /** Runs with our id: more than one is a ghost. */
  runsOf(runId: string): FakeMlflowRun[];
  /** Drops the runs with our id, as a person deletes them who has seen enough. */
  forget(runId: string): void;
  /** Faults come before the server's own answers; undefined lets the request through. */
  misbehave(script: (request: SeenRequest) => Fault | undefined): void;
  close(): Promise<void>;
}

interface LogBatch {
  readonly run_id: string;
  readonly metrics?: readonly FakePoint[];
}

/** What makes two points one. */
const placeOf = ({ key, step, value, timestamp }: FakePoint) => `${key}\0${step}\0${value}\0${timestamp}`;

/** Starts it, on a free loopback port unless a place is given, with runs that it has from before. */
export async function startFakeMlflow(
  place?: FakePlace,
  before: readonly FakeMlflowRun[] = [],
): Promise<FakeMlflow> {
  const http = await startFakeHttp(undefined, place);
  const runs = new Map<string, FakeMlflowRun & { readonly places: Set<string> }>(
    before.map((run) => [run.mlflowRunId, { ...run, places: new Set(run.points.map(placeOf)) }]),
  );
  let created = before.length;
  let faults: (request: SeenRequest) => Fault | undefined = () => undefined;
  const missing = answer(404, { error_code: "RESOURCE_DOES_NOT_EXIST", message: "no such run" });

  const info = (run: FakeMlflowRun) => ({
    info: { run_id: run.mlflowRunId, artifact_uri: `mlflow-artifacts:/0/${run.mlflowRunId}/artifacts` },
  });
  const create = (body: { tags?: readonly { key: string; value: string }[] }) => {
    const runId = body.tags?.find(({ key }) => key === "pipekit.run_id")?.value ?? "";
    const mlflowRunId = (++created).toString(16).padStart(32, "0");
    const run = { mlflowRunId, runId, status: "RUNNING", points: [], given: 0, places: new Set<string>() };
    runs.set(mlflowRunId, run);
    return answer(200, { run: info(run) });
  };
  const search = ({ filter }: { filter: string }) => {
    const runId = /'(.*)'$/.exec(filter)?.[1];
    return answer(200, { runs: [...runs.values()].filter((run) => run.runId === runId).map(info) });
  };
  const logBatch = ({ run_id, metrics = [] }: LogBatch) => {
    const run = runs.get(run_id);
    if (run === undefined) return missing;
    for (const point of metrics) {
      run.given++;
      if (run.places.has(placeOf(point))) continue;
      run.places.add(placeOf(point));
      run.points.push(point);
    }
    return answer(200, {});
  };
  const history = (query: URLSearchParams) => {
    const run = runs.get(query.get("run_id") ?? "");
    if (run === undefined) return missing;
    return answer(200, { metrics: run.points.filter(({ key }) => key === query.get("metric_key")) });
  };
  const update = (body: { run_id: string; status: string }) => {
    const run = runs.get(body.run_id);
    if (run === undefined) return missing;
    run.status = body.status;
    return answer(200, {});
  };

  http.script((request) => {
    const fault = faults(request);
    if (fault !== undefined) return fault;
    const { pathname, searchParams } = new URL(request.path, "http://x");
    // Files are taken and not kept.
    if (pathname.includes("/mlflow-artifacts/")) return answer(200, {});
    const body = request.body === "" ? {} : JSON.parse(request.body);
    switch (pathname.replace("/api/2.0/mlflow/", "")) {
      case "experiments/get-by-name":
        return answer(200, { experiment: { experiment_id: "1", lifecycle_stage: "active" } });
      case "runs/search":
        return search(body);
      case "runs/create":
        return create(body);
      case "runs/log-batch":
        return logBatch(body);
      case "runs/update":
        return update(body);
      case "runs/set-tag":
      case "runs/delete-tag":
        return answer(200, {});
      case "metrics/get-history":
        return history(searchParams);
      default:
        return answer(404, { error_code: "ENDPOINT_NOT_FOUND", message: pathname });
    }
  });
  return {
    http,
    host: http.host,
    runsOf: (runId) => [...runs.values()].filter((run) => run.runId === runId),
    forget: (runId) => {
      for (const [id, run] of runs) if (run.runId === runId) runs.delete(id);
    },
    misbehave: (script) => {
      faults = script;
    },
    close: () => http.close(),
  };
}
