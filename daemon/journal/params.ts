import { PipekitError } from "@pipekit/proto";
import type { Pair } from "./messages.ts";

/**
 * Flattens a params record: nested objects become dotted names, every other value its JSON text. An empty object
 * keeps its name with the value `{}`. Throws INVALID_CONFIG when `json` is not a JSON object.
 */
export function flattenParams(json: string): Pair[] {
  const pairs: Pair[] = [];
  flatten(parseObject(json), "", pairs);
  return pairs;
}

function parseObject(json: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json === "" ? "{}" : json);
  } catch (error) {
    throw notAnObject(error);
  }
  if (!isObject(parsed)) throw notAnObject(undefined);
  return parsed;
}

function flatten(value: object, prefix: string, pairs: Pair[]): void {
  for (const [name, inner] of Object.entries(value)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    if (isObject(inner) && Object.keys(inner).length > 0) flatten(inner, path, pairs);
    else pairs.push([path, JSON.stringify(inner)]);
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function notAnObject(cause: unknown): PipekitError {
  return new PipekitError("INVALID_CONFIG", "Params are not a JSON object.", {
    field: "params_json",
    mend: "Log params as a mapping of names to values.",
    cause,
  });
}
