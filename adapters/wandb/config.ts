/** The config of a run, in W&B's shape. */

import type { SinkRun } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { AXIS_KEY, configKey, OWN_CONFIG } from "./keys.ts";

/** Top-level keys of the config with their values, without `_wandb`. */
export type RunConfig = ReadonlyMap<string, unknown>;

const JsonObject = z.record(z.string(), z.unknown());

/** The config of a run as it starts: the caller's own, with its types, and our facts of the run. */
export function startConfig(run: SinkRun): RunConfig {
  const own = {
    run_id: run.runId,
    pipeline_hash: run.pipelineHash,
    host: run.host,
    client: run.client,
  };
  const facts = Object.entries(own).filter(([, value]) => value !== "");
  return new Map<string, unknown>([
    ...Object.entries(parseObject(run.configJson)).map(([key, value]) => [configKey(key), value] as const),
    [OWN_CONFIG, Object.fromEntries(facts)],
  ]);
}

/**
 * The config with params. Their keys are flattened by dots and their values are texts: where the config has such a
 * value already it stays as it is; a text that reads as JSON (a number, a list, true) becomes that, so that W&B can
 * sort and compare by it.
 */
export function withParams(config: RunConfig, params: Readonly<Record<string, string>>): RunConfig {
  const own = config.get(OWN_CONFIG);
  const root = structuredClone(Object.fromEntries([...config].filter(([key]) => key !== OWN_CONFIG)));
  for (const [key, text] of Object.entries(params)) {
    const place = placeOf(root, key) ?? { holder: root, name: configKey(key) };
    if (Object.hasOwn(place.holder, place.name) && textOf(place.holder[place.name]) === text) continue;
    // Not an assignment, which gives a key `__proto__` another meaning.
    const value = typed(text);
    Object.defineProperty(place.holder, place.name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
  return new Map([...Object.entries(root), [OWN_CONFIG, own]]);
}

/**
 * The config as upsertBucket takes it. A run without `t` below `_wandb` counts as not started. The axis is hidden, or
 * it would get a chart of its own; `displaced` are W&B's keys of the metrics whose charts have the logged step as their
 * axis, since `_step` is not their step. `others` is what somebody else keeps below `_wandb`.
 */
export function configJson(
  config: RunConfig,
  displaced: Iterable<string>,
  others: Readonly<Record<string, unknown>> = {},
): string {
  const wrapped = [...config].map(
    ([key, value]) => `${JSON.stringify(key)}:{"value":${JSON.stringify(value)}}`,
  );
  const own = { ...others, t: others["t"] ?? {}, m: metricAxes(displaced) };
  return `{${[...wrapped, `"_wandb":{"value":${JSON.stringify(own)}}`].join(",")}}`;
}

/** Reads what `configJson` makes, or W&B's own client, or a person has changed. */
export function readConfig(json: string): {
  readonly config: RunConfig;
  readonly others: Readonly<Record<string, unknown>>;
} {
  const values = Object.entries(parseObject(json)).map(([key, wrapped]) => {
    const value = isObject(wrapped) && Object.hasOwn(wrapped, "value") ? wrapped["value"] : wrapped;
    return [key, value] as const;
  });
  const others = values.find(([key]) => key === "_wandb")?.[1];
  return {
    config: new Map(values.filter(([key]) => key !== "_wandb")),
    others: isObject(others) ? others : {},
  };
}

/** Field numbers of W&B's MetricRecord and MetricOptions, which `m` is made of. */
const NAME = "1";
const STEP_INDEX = "5";
const OPTIONS = "6";
const SUMMARY = "7";
const HIDDEN = 2;
const DEFINED = 3;

/** Definitions of metrics, as the config has them below `_wandb.m`. */
export function metricAxes(displaced: Iterable<string>): object[] {
  return [
    { [NAME]: AXIS_KEY, [OPTIONS]: [HIDDEN, DEFINED], [SUMMARY]: [] },
    ...[...displaced].map((name) => ({ [NAME]: name, [STEP_INDEX]: 1, [OPTIONS]: [DEFINED], [SUMMARY]: [] })),
  ];
}

/** Reads a JSON object; anything else is an empty one. */
export function parseObject(json: string): Record<string, unknown> {
  try {
    return JsonObject.safeParse(JSON.parse(json)).data ?? {};
  } catch {
    return {};
  }
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly name: string;
}

/** Where a key that was flattened by dots stands; undefined when it is nowhere. */
function placeOf(holder: Record<string, unknown>, key: string): Place | undefined {
  if (Object.hasOwn(holder, key)) return { holder, name: key };
  for (let dot = key.indexOf("."); dot >= 0; dot = key.indexOf(".", dot + 1)) {
    const name = key.slice(0, dot);
    const inner = Object.hasOwn(holder, name) ? holder[name] : undefined;
    const found = isObject(inner) ? placeOf(inner, key.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as params have it: strings as they are, all else as JSON. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function typed(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof value === "string") return text;
  // Digits that a double does not hold are an identifier rather than a number.
  if (typeof value === "number" && !(Number.isFinite(value) && text.replace(/\D/g, "").length < 17))
    return text;
  return value;
}
