/**
 * What a request is about, for the log: fields that are known to name things, cut short, and specs without what may be
 * secret in them. A field that is not listed is left out, so that a method that comes later gives nothing away.
 */
import type { Subject } from "./entry.ts";

const TEXTS = new Set([
  ...[
    "ref",
    "refs",
    "refA",
    "refB",
    "hash",
    "name",
    "names",
    "expectedHash",
    "reason",
    "actor",
    "runId",
    "runIds",
  ],
  ...["path", "stateFolder", "folder", "tracker", "status", "group"],
  ...[
    "force",
    "apply",
    "overwrite",
    "withoutTags",
    "withoutSinks",
    "keepSinks",
    "follow",
    "hashOnly",
    "created",
  ],
  ...["steps", "olderThanS", "waitForDeliveryS", "ids", "seq", "weightsBytes", "taken", "refused", "waiting"],
]);
/** Specs of registries and trackers. */
const SPECS = new Set(["registry", "target", "sink", "sinks", "source"]);
const MAX_TEXT = 200;
const MAX_ITEMS = 20;

type Plain = string | number | boolean;

/** The fields of a message that an entry tells. Empty ones are left out. */
export function subjectOf(message: object): Subject {
  const subject: { [name: string]: Plain | readonly string[] } = {};
  for (const [name, value] of Object.entries(message)) {
    if (!TEXTS.has(name) && !SPECS.has(name)) continue;
    const told = Array.isArray(value) ? items(name, value) : plain(name, value);
    if (told !== undefined && told !== "" && told !== false && told !== 0) subject[name] = told;
  }
  return subject;
}

/** A spec without user, password and the values of its query: `s3://bucket/models?key=...`. */
export function withoutSecrets(spec: string): string {
  const [place = "", query] = spec.split(/\?(.*)/s, 2);
  const bare = place.replace(/(:\/\/)[^/]*@/, "$1");
  if (query === undefined) return bare;
  const names = query.split("&").map((pair) => `${pair.split("=", 1)[0]}=...`);
  return `${bare}?${names.join("&")}`;
}

function items(name: string, values: readonly unknown[]): string[] | undefined {
  const told = values.slice(0, MAX_ITEMS).map((value) => String(plain(name, value) ?? ""));
  const more = values.length - told.length;
  if (more > 0) told.push(`and ${more} more`);
  return told.length === 0 ? undefined : told;
}

function plain(name: string, value: unknown): Plain | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value !== "string") return undefined;
  const text = SPECS.has(name) ? withoutSecrets(value) : value;
  return text.slice(0, MAX_TEXT).toWellFormed();
}
