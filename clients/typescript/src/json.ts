import { PipekitError } from "@pipekit/proto";

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * Writes JSON text. Throws PipekitError INVALID_CONFIG for what JSON.stringify would silently change: NaN, infinities,
 * functions, undefined in arrays, integers beyond 2^53 - 1, BigInts.
 */
export function toJson(value: unknown, field: string): string {
  const text = JSON.stringify(value, function (this: unknown, key: string, item: unknown) {
    const fault = faultOf(item, Array.isArray(this));
    if (fault === undefined) return item;
    throw new PipekitError("INVALID_CONFIG", `${key === "" ? field : `${field}.${key}`} ${fault}.`, {
      field: key === "" ? field : key,
      mend: "Give values that JSON can hold: text, finite numbers, booleans, null, lists, objects.",
    });
  });
  if (text !== undefined) return text;
  throw new PipekitError("INVALID_CONFIG", `${field} is undefined.`, { field, mend: "Give an object." });
}

function faultOf(value: unknown, inArray: boolean): string | undefined {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) return `is ${value}, which JSON cannot hold`;
      return Number.isInteger(value) && !Number.isSafeInteger(value)
        ? "is an integer beyond 2^53 - 1, which JSON readers round"
        : undefined;
    case "bigint":
    case "function":
    case "symbol":
      return `is a ${typeof value}, which JSON cannot hold`;
    case "undefined":
      return inArray ? "is undefined, which JSON cannot hold" : undefined;
    default:
      return undefined;
  }
}
