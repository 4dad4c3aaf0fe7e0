/** Choosing models by entries of their free metadata. */
import { canonicalText, type JsonObject } from "../content/index.ts";
import { parseObject } from "./operator.ts";

/** Names and canonical JSON of entries that a model's metadata must have, all of them. */
export type MetadataFilter = readonly (readonly [name: string, text: string])[];

/** From a JSON object as text; the empty text fits every model. Throws INVALID_CONFIG that names `field`. */
export function metadataFilter(json: string, field: string): MetadataFilter {
  return [...parseObject(json, field).value].map(([name, value]) => [name, canonicalText(value)] as const);
}

export function fits(metadata: JsonObject, filter: MetadataFilter): boolean {
  return filter.every(([name, text]) => {
    const value = metadata.get(name);
    return value !== undefined && canonicalText(value) === text;
  });
}
