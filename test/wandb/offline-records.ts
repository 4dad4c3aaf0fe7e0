/** The records of a `.wandb` file as W&B's own messages read them, gathered as `wandb sync` gathers them. */

import { z } from "zod";
import { parseLine } from "../support/fake-wandb.ts";

const Item = z.object({
  key: z.string().default(""),
  nested_key: z.array(z.string()).default([]),
  value_json: z.string(),
});
const Items = z.array(Item).default([]);
const Update = z.object({ update: Items }).default({ update: [] });
const Artifact = z.object({
  name: z.string(),
  digest: z.string(),
  manifest: z.object({
    contents: z.array(
      z.object({ path: z.string(), local_path: z.string().optional(), ref: z.string().optional() }),
    ),
  }),
});
const Record = z.looseObject({
  num: z.string(),
  run: z
    .object({ run_id: z.string(), tags: z.array(z.string()).default([]), config: Update })
    .loose()
    .optional(),
  config: Update.optional(),
  history: z.object({ item: Items }).optional(),
  summary: Update.optional(),
  stats: z.looseObject({ item: Items }).optional(),
  artifact: Artifact.loose().optional(),
  exit: z
    .object({ exit_code: z.number().default(0) })
    .loose()
    .optional(),
});

export class OfflineRecords {
  readonly all: readonly z.infer<typeof Record>[];
  /** JSON text by top-level key. */
  readonly config: { [key: string]: string } = {};
  readonly summary: { [key: string]: string } = {};
  readonly history: Readonly<{ [key: string]: unknown }>[] = [];
  readonly artifacts: z.infer<typeof Artifact>[] = [];
  tags: readonly string[] = [];
  exitCode: number | undefined;

  /** Throws when the records are not numbered from 1 without a gap. */
  constructor(answer: unknown) {
    this.all = z.array(Record).parse(answer);
    for (const [index, record] of this.all.entries()) {
      if (Number(record.num) !== index + 1)
        throw new Error(`Record ${index + 1} has the number ${record.num}.`);
      if (record.run !== undefined) this.tags = record.run.tags;
      for (const item of [...(record.run?.config.update ?? []), ...(record.config?.update ?? [])]) {
        set(this.config, item.key, item.value_json);
      }
      for (const item of record.summary?.update ?? []) set(this.summary, keyOf(item), item.value_json);
      if (record.history !== undefined) {
        const cells = record.history.item.map((item) => `${JSON.stringify(keyOf(item))}:${item.value_json}`);
        this.history.push(parseLine(`{${cells.join(",")}}`));
      }
      if (record.artifact !== undefined) this.artifacts.push(record.artifact);
      if (record.exit !== undefined) this.exitCode = record.exit.exit_code;
    }
  }
}

function keyOf({ key, nested_key }: z.infer<typeof Item>): string {
  return nested_key.length === 0 ? key : nested_key.join(".");
}

/** Not an assignment, which gives a key `__proto__` another meaning. */
function set(target: { [key: string]: string }, key: string, value: string): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
