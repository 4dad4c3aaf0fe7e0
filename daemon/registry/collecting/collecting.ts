/** A collection from plan to summary. */
import { randomUUID } from "node:crypto";
import type { GcResponse, GcSummary } from "@pipekit/proto";
import { collectBatch, entryOf } from "./batch.ts";
import { asDoubt, doubt } from "./doubt.ts";
import { clockKey } from "./keys.ts";
import { forgetWeights, tidy } from "./litter.ts";
import type { Parts } from "./parts.ts";
import { makePlan, type Plan } from "./plan.ts";
import type { Policy } from "./policy.ts";

/** Models that are taken at once. Each batch reads all tags, so that many tags make it larger. */
const LEAST_BATCH = 64;
const LARGEST_BATCH = 512;
const TOLD_EVERY_MS = 300;

export interface CollectRequest {
  readonly policy: Policy;
  /** False: only tell. */
  readonly apply: boolean;
  readonly actor: string;
}

/** Entries and progress, a summary last. Throws GC_ABORTED. Left early, it stops after the batch that it is at. */
export async function* collect(
  parts: Parts,
  request: CollectRequest,
  signal: AbortSignal,
): AsyncGenerator<GcResponse> {
  try {
    yield* collectSurely(parts, request, signal);
  } catch (error) {
    throw asDoubt(error, signal);
  }
}

async function* collectSurely(
  parts: Parts,
  { policy, apply, actor }: CollectRequest,
  signal: AbortSignal,
): AsyncGenerator<GcResponse> {
  const nowUs = apply ? await timeAtBackend(parts, signal) : parts.clock.unixMs() * 1000;
  const plan = yield* withProgress(parts, (told) => makePlan(parts, policy, nowUs, signal, told));
  const summary = summaryOf(plan, apply);
  if (apply) yield* deleteCandidates(parts, plan, summary, actor, signal);
  else for (const candidate of plan.candidates) yield entry(entryOf(candidate));
  const { count, bytes } = await tidy(parts, nowUs, policy.minAgeUs, apply, signal);
  const value = { ...summary, kept: Object.fromEntries(plan.kept), litter: count, litterBytes: bytes };
  yield { part: { $case: "summary", value } };
}

async function* deleteCandidates(
  parts: Parts,
  plan: Plan,
  summary: GcSummary,
  actor: string,
  signal: AbortSignal,
): AsyncGenerator<GcResponse> {
  const { candidates, kept } = plan;
  const size = Math.min(LARGEST_BATCH, Math.max(LEAST_BATCH, plan.lastMoves.size));
  const gone = new Set<string>();
  for (let begin = 0; begin < candidates.length; begin += size) {
    signal.throwIfAborted();
    yield progress("deleting", begin, candidates.length);
    const batch = candidates.slice(begin, begin + size);
    for (const { entry: value, reason } of await collectBatch(parts, plan, batch, actor, signal)) {
      if (reason !== undefined && !value.remains) kept.set(reason, (kept.get(reason) ?? 0) + 1);
      if (value.deleted) {
        gone.add(value.hash);
        summary.deleted += 1;
        summary.deletedBytes += value.bytes;
      }
      yield entry(value);
    }
  }
  await forgetWeights(parts.backend, gone, signal);
}

/** Unix microseconds by the clock that files are dated with. */
async function timeAtBackend({ backend }: Parts, signal: AbortSignal): Promise<number> {
  const key = clockKey(randomUUID());
  await backend.create(key, Buffer.from("{}\n"), signal);
  const found = await backend.info(key, signal);
  await backend.remove(key, signal);
  if (found !== undefined) return found.modifiedAtUs;
  throw doubt(
    `the file ${key}, written just now, is gone`,
    key,
    "See which other program removes files there.",
  );
}

/** Yields progress now and then while the work runs. */
async function* withProgress<T>(
  { clock }: Parts,
  work: (told: (models: number) => void) => Promise<T>,
): AsyncGenerator<GcResponse, T> {
  let models = 0;
  const stop = new AbortController();
  const working = work((seen) => {
    models = seen;
  }).finally(() => stop.abort());
  working.catch(() => undefined);
  while (!stop.signal.aborted) {
    await clock.wait(TOLD_EVERY_MS, stop.signal).catch(() => undefined);
    if (!stop.signal.aborted) yield progress("scanning", models, 0);
  }
  return working;
}

function summaryOf(plan: Plan, apply: boolean): GcSummary {
  return {
    models: plan.models,
    kept: {},
    candidates: plan.candidates.length,
    candidateBytes: plan.candidates.reduce((sum, { bytes }) => sum + bytes, 0),
    deleted: 0,
    deletedBytes: 0,
    litter: 0,
    litterBytes: 0,
    dryRun: !apply,
  };
}

function entry(value: ReturnType<typeof entryOf>): GcResponse {
  return { part: { $case: "entry", value } };
}

function progress(phase: string, modelsDone: number, modelsTotal: number): GcResponse {
  return {
    part: {
      $case: "progress",
      value: { phase, bytesDone: 0, bytesTotal: 0, modelsDone, modelsTotal, filesDone: 0, filesTotal: 0 },
    },
  };
}
