/** What a fake ClearML server keeps. */

import { createHash, randomUUID } from "node:crypto";

/** A JSON object. */
export type Data = Readonly<Record<string, unknown>>;

export interface FakeEvent {
  readonly type: string;
  readonly task: string;
  readonly iter?: number;
  readonly metric: string;
  readonly variant: string;
  readonly value?: number | null;
  readonly timestamp: number;
  readonly msg?: string;
}

export interface FakeTask {
  readonly id: string;
  name: string;
  status: string;
  status_reason: string;
  project: string;
  readonly created: string;
  hyperparams: Record<string, Record<string, { section: string; name: string; value: string }>>;
  execution: {
    artifacts: { key: string; uri: string; [field: string]: unknown }[];
    [field: string]: unknown;
  };
  [field: string]: unknown;
}

/** An error answer of the API. */
export class ApiError extends Error {
  readonly code: number;
  readonly subcode: number;

  constructor(code: number, subcode: number, message: string) {
    super(message);
    this.code = code;
    this.subcode = subcode;
  }
}

const LARGEST_FLOAT = 3.4028234663852886e38;
const ID_FIELDS = ["task", "iter", "metric", "variant", "key"];

export class FakeClearmlState {
  readonly projects: { readonly id: string; readonly name: string }[] = [];
  readonly tasks: FakeTask[] = [];
  readonly files = new Map<string, Buffer>();
  /** Log lines are kept as they come; of other events one of each id, the latest in the place of the first. */
  readonly events = new Map<string, FakeEvent>();
  /** Scalar events in the order in which they came, repeats and all. */
  readonly arrivals: FakeEvent[] = [];
  /** Metrics whose documents the index refuses, as it does with what it cannot parse. */
  readonly unindexable = new Set<string>();

  task(id: unknown): FakeTask {
    const task = this.tasks.find((candidate) => candidate.id === id);
    if (task === undefined) throw new ApiError(400, 101, `Invalid task id: id=${id}`);
    return task;
  }

  addTask(fields: Data): FakeTask {
    const name = String(fields["name"] ?? "").trim();
    if (name.length < 3)
      throw new ApiError(400, 800, "Data validation error: name=String value is too short");
    if (!this.projects.some(({ id }) => id === fields["project"])) {
      throw new ApiError(400, 401, `Invalid project id: id=${fields["project"]}`);
    }
    const task: FakeTask = {
      status: "created",
      status_reason: "",
      status_message: "",
      type: "training",
      tags: [],
      system_tags: [],
      script: {},
      configuration: {},
      runtime: {},
      output: {},
      models: { input: [], output: [] },
      container: {},
      last_iteration: 0,
      user: "user",
      company: "company",
      ...structuredClone(fields),
      execution: { artifacts: [] },
      hyperparams: {},
      project: String(fields["project"]),
      id: randomUUID().replaceAll("-", ""),
      name,
      created: new Date().toISOString().replace("Z", "000+00:00"),
    };
    this.tasks.push(task);
    this.edit(task, fields);
    return task;
  }

  edit(task: FakeTask, fields: Data): void {
    const { hyperparams, execution, ...others } = structuredClone(fields);
    for (const [field, value] of Object.entries(others)) {
      if (!["id", "task", "force", "status"].includes(field) && value !== undefined) task[field] = value;
    }
    if (isRecord(hyperparams)) task.hyperparams = hyperparams as FakeTask["hyperparams"];
    if (isRecord(execution)) {
      const { artifacts = [], ...rest } = execution;
      task.execution = { ...rest, artifacts: artifacts as FakeTask["execution"]["artifacts"] };
    }
  }

  /** Scalars that are shown for a task. */
  scalars(taskId: string): FakeEvent[] {
    return [...this.events.values()].filter(
      ({ task, type }) => task === taskId && type === "training_stats_scalar",
    );
  }

  /** What the server's EventBLL.add_events does: good ones are indexed though others are not. */
  addEvents(events: readonly Data[]): Data {
    const faults: Record<string, number> = {};
    const unindexed: string[] = [];
    let added = 0;
    for (const event of events) {
      const fault = this.#faultOf(event);
      const index = fault === undefined ? this.#indexFaultOf(event) : undefined;
      if (fault !== undefined) faults[fault] = (faults[fault] ?? 0) + 1;
      else if (index !== undefined) unindexed.push(index);
      else {
        added++;
        this.#keep(event);
      }
    }
    if (unindexed.length > 0) {
      const err = `${unindexed.length} document(s) failed to index.`;
      throw new ApiError(500, 100, `General data error: err=${err}, extra_info=${unindexed[0]}`);
    }
    const errors = Object.values(faults).reduce((sum, count) => sum + count, 0);
    if (added > 0) return { added, errors, errors_info: faults };
    throw new ApiError(400, 131, `Events not added: ${Object.entries(faults).join(", ")}`);
  }

  #faultOf(event: Data): string | undefined {
    if (typeof event["type"] !== "string") return "Event must have a 'type' field";
    const task = this.tasks.find(({ id }) => id === event["task"]);
    const locked = task?.status === "published" || task?.status === "publishing";
    return task === undefined || locked ? `Invalid task id ${event["task"]}` : undefined;
  }

  #indexFaultOf(event: Data): string | undefined {
    const { value = null, metric, iter = 0 } = event;
    const fine = value === null || (typeof value === "number" && Math.abs(value) <= LARGEST_FLOAT);
    if (fine && Number.isSafeInteger(iter) && !this.unindexable.has(String(metric))) return undefined;
    if (event["type"] !== "training_stats_scalar") return undefined;
    return "failed to parse field [value] of type [float] in document";
  }

  #keep(event: Data): void {
    const { metric = "", variant = "", timestamp = Date.now() } = event;
    const kept = { ...event, metric, variant, timestamp } as unknown as FakeEvent;
    if (kept.type === "training_stats_scalar") this.arrivals.push(kept);
    const fields = { ...kept } as Data;
    const text = ID_FIELDS.filter((field) => field in fields).map((field) => String(fields[field]));
    const id = createHash("md5").update(text.join("-")).digest("hex");
    this.events.set(kept.type === "log" ? `log ${this.events.size}` : id, kept);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
