/** What a model's version shows in MLflow: its description and tags, made of metadata.json. */

import { z } from "zod";
import { parseJson } from "../../json.ts";
import { cut, storable } from "../text.ts";

/** A version as MLflow shows it. */
export interface Card {
  readonly description: string;
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  /** Our id of the run that made the model; empty when there is none. */
  readonly runId: string;
}

/** The version tag with the model's hash. */
export const HASH_TAG = "pipekit.hash";

/** What every database behind MLflow keeps, characters. */
const LONGEST_DESCRIPTION = 5000;
const LONGEST_DOCUMENT = 1800;
const LONGEST_TAG = 1000;

const File = z.object({ sha256: z.string(), size: z.number() });
const Metadata = z.object({
  run_id: z.string().default(""),
  weights_format: z.string().default(""),
  dataset_hash: z.string().default(""),
  created_at: z.string().default(""),
  files: z.object({ "weights.bin": File.optional() }).default({}),
  operator: z
    .object({ module: z.string().default(""), class: z.string().default("") })
    .default({ module: "", class: "" }),
  metadata: z.unknown().optional(),
  training_config: z.unknown().optional(),
});

/** The card of a model. Of a metadata.json that cannot be read it tells the hash alone. */
export function cardOf(hash: string, metadataJson: Buffer): Card {
  const read = Metadata.safeParse(parseJson(metadataJson.toString())).data;
  if (read === undefined) return { description: "", tags: [{ key: HASH_TAG, value: hash }], runId: "" };
  const weights = read.files["weights.bin"];
  const operator = `${read.operator.module}.${read.operator.class}`;
  const facts = {
    [HASH_TAG]: hash,
    "pipekit.operator": operator,
    "pipekit.run_id": read.run_id,
    "pipekit.dataset_hash": read.dataset_hash,
    "pipekit.weights_format": read.weights_format,
    "pipekit.weights_sha256": weights?.sha256 ?? "",
    "pipekit.weights_size": weights === undefined ? "" : String(weights.size),
    "pipekit.created_at": read.created_at,
  };
  const tags = Object.entries(facts)
    .filter(([, value]) => value !== "")
    .map(([key, value]) => ({ key, value: cut(storable(value), LONGEST_TAG) }));
  const size =
    weights === undefined ? "no weights" : `${weights.size} bytes of weights ${read.weights_format}`;
  const parts = [
    `**${operator}** \`${hash.slice(0, 12)}\`, ${size.trimEnd()}, stored by pipekit-experiment.`,
    document("Metadata", read.metadata),
    document("Training config", read.training_config),
  ].filter((part) => part !== "");
  return { description: cut(storable(parts.join("\n\n")), LONGEST_DESCRIPTION), tags, runId: read.run_id };
}

function document(title: string, value: unknown): string {
  if (value === undefined || value === null || JSON.stringify(value) === "{}") return "";
  return `${title}:\n\n\`\`\`json\n${cut(JSON.stringify(value, null, 2), LONGEST_DOCUMENT)}\n\`\`\``;
}
