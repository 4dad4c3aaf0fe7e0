/** What is true of a run as a whole, by the same rules as at a server. */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { z } from "zod";
import { fieldsOf } from "../../message-fields.ts";
import { Facts } from "../server/facts.ts";
import { readLog } from "./log-file.ts";
import { configRecord, type Draft } from "./records.ts";

/** Config, tags and fields of a run as W&B is to have them. */
export interface RunFacts {
  /** Values by top-level key, without W&B's own. */
  readonly config: ReadonlyMap<string, unknown>;
  readonly tags: readonly string[];
  readonly notes: string | undefined;
  readonly group: string | undefined;
  readonly jobType: string | undefined;
}

const Variables = z.object({
  config: z.string(),
  tags: z.array(z.string()),
  notes: z.string().optional(),
  groupName: z.string().optional(),
  jobType: z.string().optional(),
});
const Wrapped = z.record(z.string(), z.object({ value: z.unknown() }));

/** Facts as records have them. */
export function runFacts(facts: Facts): RunFacts {
  const { config, tags, notes, groupName: group, jobType } = Variables.parse(facts.variables([]));
  const values = Object.entries(Wrapped.parse(JSON.parse(config)));
  const own = values.filter(([key]) => key !== "_wandb").map(([key, { value }]) => [key, value] as const);
  return { config: new Map(own), tags, notes, group, jobType };
}

/** What must be said of facts that have changed; `isRun` tells that the run's record must come again. */
export function changesOf(
  before: Facts,
  after: Facts,
): { readonly config: readonly Draft[]; readonly isRun: boolean } {
  const old = runFacts(before);
  const now = runFacts(after);
  const changed = [...now.config].filter(([key, value]) => !isSame(old.config.get(key), value));
  return {
    config: changed.length === 0 ? [] : [configRecord(new Map(changed))],
    isRun: !isSame({ ...old, config: 0 }, { ...now, config: 0 }),
  };
}

/** Field numbers of Record, RunRecord, ConfigRecord and ConfigItem. */
const RUN = 17;
const CONFIG = 5;
const RUN_CONFIG = 4;
const RUN_TAGS = 10;
const UPDATE = 1;
const KEY = 1;
const VALUE_JSON = 16;

/** The facts that a file tells. Throws faults of the file system and the reason of an abort. */
export async function readFacts(path: string, signal: AbortSignal): Promise<Facts> {
  const config = new Map<string, string>();
  let tags: readonly string[] = [];
  const addConfig = (message: Uint8Array) => {
    for (const item of fieldsOf(message).get(UPDATE) ?? []) {
      const fields = fieldsOf(item);
      config.set(textOf(fields.get(KEY)?.at(-1)), textOf(fields.get(VALUE_JSON)?.at(-1)));
    }
  };
  const collect = (record: Uint8Array) => {
    // Most records are lines: these are told by their second field without being taken apart.
    const reader = new BinaryReader(record);
    for (let [field, type] = reader.tag(); ; [field, type] = reader.tag()) {
      if (type === 2 && field === CONFIG) addConfig(reader.bytes());
      else if (type === 2 && field === RUN) {
        const run = fieldsOf(reader.bytes());
        for (const message of run.get(RUN_CONFIG) ?? []) addConfig(message);
        tags = (run.get(RUN_TAGS) ?? []).map((tag) => textOf(tag));
      } else reader.skip(type, field);
      if (reader.pos >= reader.len) break;
    }
  };
  await readLog(path, collect, signal);
  const wrapped = [...config].map(([key, json]) => `${JSON.stringify(key)}:{"value":${json || "null"}}`);
  return Facts.of({ id: "", name: "", config: `{${wrapped.join(",")}}`, tags: [...tags] });
}

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
