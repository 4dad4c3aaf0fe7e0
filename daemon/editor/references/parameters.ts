/** What the calls of both clients take: clients/python (registry*.py, tracking.py) and clients/typescript (registry*.ts, client.ts). */
import type { CallSite, Slot } from "./reference.ts";

/** A parameter that names something. */
export interface Parameter {
  readonly kind: Slot["kind"];
  /** Its place among the positional ones. */
  readonly at?: number;
  /** As a keyword in Python, or as a key of the last argument in TypeScript. */
  readonly name?: string;
  /** It and all positional ones behind it. */
  readonly rest?: boolean;
}

const ref = (at: number, name?: string): Parameter => ({ kind: "model", at, ...(name && { name }) });
const tag = (at: number): Parameter => ({ kind: "tag", at, name: "name" });
const run = (at: number, name?: string): Parameter => ({ kind: "run", at, ...(name && { name }) });
const spec = (at: number, name: string): Parameter => ({ kind: "registry", at, name });
const named = (kind: Slot["kind"], name: string): Parameter => ({ kind, name });

const RUN_START: readonly Parameter[] = [
  named("run", "run_id"),
  named("run", "runId"),
  named("sink", "sinks"),
];

/** Methods of a registry. */
export const REGISTRY_METHODS: ReadonlyMap<string, readonly Parameter[]> = new Map([
  ["load", [ref(0, "ref")]],
  ["load_weights", [ref(0, "ref")]],
  ["loadWeights", [ref(0)]],
  ["stat", [ref(0, "ref")]],
  ["resolve", [ref(0)]],
  ["resolve_tag", [ref(0, "name")]],
  ["tag", [ref(0, "hash"), tag(1), named("model", "expected"), named("model", "expectedHash")]],
  ["rollback", [tag(0)]],
  ["history", [tag(0)]],
  ["delete_tag", [tag(0), named("model", "expected")]],
  ["deleteTag", [tag(0), named("model", "expectedHash")]],
  ["watch_tag", [tag(0)]],
  ["watchTag", [tag(0)]],
  ["pin", [ref(0, "ref")]],
  ["unpin", [ref(0, "ref")]],
  ["verify", [{ kind: "model", at: 0, rest: true }]],
  ["diff", [ref(0, "a"), ref(1, "b")]],
  ["copy_to", [spec(0, "other"), ref(1, "refs")]],
  ["copyTo", [spec(0, ""), named("model", "refs")]],
  ["export", [ref(1, "refs")]],
  ["exportTo", [named("model", "refs")]],
  ["store", [named("tag", "name"), named("run", "run"), named("run", "runId")]],
]);

/** Functions, constructors, and methods of other things. */
export const FUNCTIONS: ReadonlyMap<string, readonly Parameter[]> = new Map([
  ["start_run", RUN_START],
  ["startRun", RUN_START],
  ["withRun", RUN_START],
  ["PipekitLogger", RUN_START],
  ["LogToExperiment", []],
  ["join_run", [run(0, "run_id")]],
  ["getRun", [run(0)]],
  ["readMetrics", [run(0)]],
  ["readSeries", [run(0)]],
  ["sinkStatus", [run(0)]],
  ["watchRuns", [run(0)]],
  ["deadLetters", [named("run", "runId")]],
  ["Tracker", [{ kind: "sink", at: 0, rest: true }]],
  ["ModelRef", [ref(0, "ref"), spec(1, "registry")]],
  ["run", [named("model", "resume_from"), named("registry", "registry")]],
  ["capture", [named("registry", "registry"), named("run", "tracker_run_id")]],
  ["reload_model", [spec(0, "registry")]],
  ["reload_models", [spec(0, "registry")]],
  ["registry", [spec(0, "spec")]],
  ["open_registry", [spec(0, "spec")]],
  ["DaemonRegistry", [spec(0, "spec")]],
  ["LocalModelRegistry", [spec(0, "root")]],
  ["S3ModelRegistry", []],
  ["MLflowModelRegistry", []],
]);

/** Names that nobody else gives to a function: they need no import beside them. */
export const DISTINCTIVE: ReadonlySet<string> = new Set([
  "join_run",
  "ModelRef",
  "open_registry",
  "DaemonRegistry",
  "LocalModelRegistry",
  "S3ModelRegistry",
  "MLflowModelRegistry",
  "PipekitLogger",
  "LogToExperiment",
]);

/** Calls of these are looked at. */
export function mayMatter(name: string): boolean {
  return REGISTRY_METHODS.has(name) || FUNCTIONS.has(name);
}

/** Classes of registries. */
export const REGISTRY_TYPES: ReadonlySet<string> = new Set([
  "Registry",
  "ModelRegistry",
  "DaemonRegistry",
  "LocalModelRegistry",
  "S3ModelRegistry",
  "MLflowModelRegistry",
]);

/** What a code lens stands over, and where it tells the name of the run, or the ref. */
export interface Lens {
  readonly kind: CallSite["kind"];
  readonly at?: number;
  readonly name: string;
}

const starts = (at?: number, name = "name"): Lens => ({
  kind: "start_run",
  name,
  ...(at !== undefined && { at }),
});
const loads: Lens = { kind: "load", at: 0, name: "ref" };

export const LENSES: ReadonlyMap<string, Lens> = new Map([
  ["start_run", starts(0)],
  ["PipekitLogger", starts(0)],
  ["LogToExperiment", starts(1, "run_name")],
  ["startRun", starts()],
  ["withRun", starts()],
  ["load", loads],
  ["load_weights", loads],
  ["loadWeights", loads],
  ["store", { kind: "store", name: "name" }],
]);
