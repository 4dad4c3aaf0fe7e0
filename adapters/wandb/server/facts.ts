/** What is true of a run as a whole: its config, tags, notes, group. They travel in one upsert. */

import type { SinkRun } from "@pipekit/adapters/tracker";
import { configJson, parseObject, type RunConfig, readConfig, startConfig, withParams } from "../config.ts";
import { OWN_CONFIG } from "../keys.ts";
import type { Bucket } from "./operations.ts";

/** Tags of ours that W&B has fields for, under the names that its own client gives them. */
const FIELDS = { notes: "notes", group: "groupName", job_type: "jobType" } as const;
const LONGEST_TAG = 64;

/** Facts as the server has them, and as it is to have them. */
export class Facts {
  readonly #config: RunConfig;
  readonly #others: Readonly<Record<string, unknown>>;
  readonly #tags: readonly string[];

  private constructor(config: RunConfig, others: Readonly<Record<string, unknown>>, tags: readonly string[]) {
    this.#config = config;
    this.#others = others;
    this.#tags = tags;
  }

  /** The facts of a run that the server has, be it with changes of other people. */
  static of(bucket: Bucket): Facts {
    const { config, others } = readConfig(bucket.config ?? "{}");
    return new Facts(config, others, bucket.tags ?? []);
  }

  /** The facts of a run that starts, on top of what the server may have. */
  static starting(run: SinkRun, found: Facts | undefined): Facts {
    const base = found ?? new Facts(new Map(), {}, []);
    const config = new Map([...base.#config, ...startConfig(run)]);
    // Which metrics have an axis of their own is told anew.
    return new Facts(config, { ...base.#others, m: [] }, base.#tags).with({}, run.tags);
  }

  /** The facts with params and tags of ours; these facts stay as they are. */
  with(params: Readonly<Record<string, string>>, tags: Readonly<Record<string, string>>): Facts {
    const config = withParams(this.#config, params);
    const before = ownTags(config);
    const after = { ...before, ...tags };
    const replaced = new Set(Object.entries(before).map(shownTag));
    const shown = Object.entries(after)
      .filter(([key]) => !Object.hasOwn(FIELDS, key))
      .map(shownTag);
    const kept = this.#tags.filter((tag) => !replaced.has(tag));
    return new Facts(withOwn(config, { tags: after }), this.#others, [...new Set([...kept, ...shown])]);
  }

  /** The facts with a reason for the end. */
  ended(reason: string): Facts {
    return new Facts(withOwn(this.#config, { reason }), this.#others, this.#tags);
  }

  /** The facts of a run that goes on after an end; the same ones when they name no reason for it. */
  resumed(): Facts {
    const { reason, ...own } = ownOf(this.#config);
    if (reason === undefined) return this;
    return new Facts(new Map([...this.#config, [OWN_CONFIG, own]]), this.#others, this.#tags);
  }

  /** Number of metrics that have an axis of their own. */
  get displaced(): number {
    const metrics = this.#others["m"];
    return Array.isArray(metrics) ? Math.max(0, metrics.length - 1) : 0;
  }

  /** Variables of the upsert. `displaced` are W&B's keys of metrics whose step is not `_step`. */
  variables(displaced: readonly string[]): Readonly<Record<string, unknown>> {
    const own = ownTags(this.#config);
    const fields = Object.entries(FIELDS).flatMap(([tag, field]) => {
      const value = own[tag];
      return value === undefined ? [] : [[field, value]];
    });
    const config = configJson(this.#config, displaced, this.#others);
    return { config, tags: this.#tags, ...Object.fromEntries(fields) };
  }
}

/** A tag as W&B lists it: `key=value`, or the key alone; W&B takes 64 characters, the config has all of it. */
function shownTag([key, value]: readonly [string, string]): string {
  const tag = (value === "" ? key : `${key}=${value}`).toWellFormed();
  const characters = [...tag];
  if (characters.length <= LONGEST_TAG) return tag === "" ? "=" : tag;
  return `${characters.slice(0, LONGEST_TAG - 1).join("")}…`;
}

/** What is ours in the config. */
function ownOf(config: RunConfig): Readonly<Record<string, unknown>> {
  return parseObject(JSON.stringify(config.get(OWN_CONFIG) ?? {}));
}

function ownTags(config: RunConfig): Readonly<Record<string, string>> {
  const tags = parseObject(JSON.stringify(ownOf(config)["tags"] ?? {}));
  return Object.fromEntries(
    Object.entries(tags).flatMap(([key, value]) => (typeof value === "string" ? [[key, value]] : [])),
  );
}

function withOwn(config: RunConfig, more: Readonly<Record<string, unknown>>): RunConfig {
  return new Map([...config, [OWN_CONFIG, { ...ownOf(config), ...more }]]);
}
