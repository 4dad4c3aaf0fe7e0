/** A view with the models, tags and runs that a test gives it, and a daemon that answers, or does not. */
import { PipekitError } from "@pipekit/proto";
import type {
  DaemonDocument,
  EditorMethod,
  EditorParams,
  ModelBrief,
  RunBrief,
  TagMoveDocument,
} from "@pipekit/proto/editor";
import type { ModelIndex, RunIndex, View } from "../../daemon/view/index.ts";

/** 2026-11-27 12:00 UTC, Unix microseconds. */
export const NOW = Date.UTC(2026, 10, 27, 12) * 1000;
export const HOUR = 3600e6;
export const DAY = 24 * HOUR;

export function hashOf(digits: string): string {
  return digits.padEnd(64, "0");
}

export function model(hash: string, more: Partial<ModelBrief> = {}): ModelBrief {
  return {
    hash,
    operator: "my.Class",
    tags: [],
    weightsSize: 12 * 1024 * 1024,
    hasWeights: true,
    weightsFormat: "safetensors",
    createdAtUs: NOW - 3 * DAY,
    runId: "",
    ...more,
  };
}

export function move(name: string, hash: string, more: Partial<TagMoveDocument> = {}): TagMoveDocument {
  return { name, seq: 7, hash, previousHash: "", actor: "ada", atUs: NOW - 2 * DAY, reason: "", ...more };
}

export function run(runId: string, more: Partial<RunBrief> = {}): RunBrief {
  return {
    runId,
    name: "mnist",
    state: "completed",
    reason: "",
    startedAtUs: NOW - 3 * HOUR,
    endedAtUs: NOW - 2 * HOUR,
    points: 100,
    tags: {},
    sinks: [],
    ...more,
  };
}

/** How the daemon answers a method; what is missing is answered from models, tags and runs, or never. */
type Answers = { [M in EditorMethod]?: (params: EditorParams<M>) => unknown };

export class FakeView implements View {
  models_: ModelBrief[] = [];
  tags_: TagMoveDocument[] = [];
  runs_: RunBrief[] = [];
  filled = true;
  /** False: requests are never answered. */
  answering = true;
  state: DaemonDocument["state"] = "connected";
  /** What `ready` of a registry fails with. */
  readonly faults = new Map<string, PipekitError>();
  readonly answers: Answers = {};
  readonly asked: { readonly method: string; readonly params: unknown }[] = [];
  readonly opened = new Set<string>();
  readonly #changed = new Set<() => void>();
  readonly #runsChanged = new Set<(runs: readonly RunBrief[]) => void>();

  get link(): View["link"] {
    const { state } = this;
    const away = { message: "No daemon answers.", mend: "Start it with `pkx serve`." };
    const status: DaemonDocument = {
      ...(state === "connected" ? { message: "", mend: "" } : away),
      ...{ state, version: "0", endpoint: "unix:/x", editorProtocol: 1, mayChange: true },
    };
    return {
      status,
      onStatus: () => () => {},
      client: () => Promise.reject(new Error("There is no client.")),
    };
  }

  get runs(): RunIndex {
    const view = this;
    const fits = (text: string) => (it: RunBrief) => it.runId.startsWith(text) || it.name.includes(text);
    return {
      ready: () => Promise.resolve(),
      size: view.runs_.length,
      get: (runId) => view.runs_.find((it) => it.runId === runId),
      find: (text, limit) => view.runs_.filter(fits(text)).slice(0, limit),
      named: (name, limit) => view.runs_.filter((it) => it.name === name).slice(0, limit),
      onChange(changed) {
        view.#runsChanged.add(changed);
        return () => view.#runsChanged.delete(changed);
      },
    };
  }

  models(registry: string): ModelIndex {
    this.opened.add(registry);
    const view = this;
    const fault = this.faults.get(registry);
    const found = (hash: string) => view.models_.filter((it) => it.hash.startsWith(hash));
    return {
      registry,
      ready: () => (fault === undefined ? Promise.resolve() : Promise.reject(fault)),
      get filled() {
        return view.filled && fault === undefined;
      },
      readAtUs: NOW - HOUR,
      get size() {
        return view.models_.length;
      },
      tags: () => view.tags_,
      tag: (name) => view.tags_.find((it) => it.name === name),
      model: (hash) => (found(hash).length === 1 ? found(hash)[0] : undefined),
      find: (text, limit) =>
        view.models_
          .filter((it) => it.hash.startsWith(text) || it.operator.includes(text) || it.tags.includes(text))
          .slice(0, limit),
      refresh: () => Promise.resolve(),
      onChange(changed) {
        const told = () => changed([]);
        view.#changed.add(told);
        return () => view.#changed.delete(told);
      },
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: each method has its own result; the tests give them.
  async ask<M extends EditorMethod>(method: M, params: EditorParams<M>): Promise<any> {
    this.asked.push({ method, params });
    if (!this.answering) return new Promise(() => {});
    const answer = this.answers[method];
    if (answer !== undefined) return answer(params);
    if (method === "pipekit/resolve") return this.#resolve((params as EditorParams<"pipekit/resolve">).ref);
    if (method === "pipekit/tags") return { tags: this.tags_ };
    if (method === "pipekit/run") return this.#run((params as EditorParams<"pipekit/run">).runId);
    throw new Error(`The test answers no ${method}.`);
  }

  /** Tags or models have changed. */
  tell(): void {
    for (const changed of this.#changed) changed();
  }

  tellRuns(...runs: RunBrief[]): void {
    for (const changed of this.#runsChanged) changed(runs);
  }

  session(): never {
    throw new Error("Features open no session.");
  }

  close(): void {}

  #resolve(ref: string) {
    const tag = this.tags_.find((it) => it.name === ref);
    if (tag !== undefined) return { hash: tag.hash, move: tag };
    const [only, ...more] = this.models_.filter((it) => it.hash.startsWith(ref));
    if (only === undefined) throw new PipekitError("REF_NOT_FOUND", `No \`${ref}\`.`);
    if (more.length > 0) throw new PipekitError("REF_AMBIGUOUS", `Several \`${ref}\`.`);
    return { hash: only.hash };
  }

  #run(runId: string) {
    const found = this.runs_.find((it) => it.runId === runId);
    if (found === undefined) throw new PipekitError("RUN_NOT_FOUND", `No run ${runId}.`);
    return { ...found, series: [] };
  }
}
