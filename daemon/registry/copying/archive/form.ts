/**
 * An archive: models with their tags and histories in one file that `tar tf` reads, for places without a network.
 *
 * A POSIX tar, uncompressed. Entries are regular files, in this order:
 *
 *   pipekit-archive.json           {"format": "pipekit-archive", "version": 1, "models": n, "tags": n, "bytes": n}: what was to be
 *                                  written; models that a collector took meanwhile are missing
 *   for each model, by hash:       <hash>/operator.yaml, preview.json and weights.bin if it has them, metadata.json
 *   for each tag, by name:         _log/<name>/<seq>.json by number, _tags/<name>.txt
 *   SHA256SUMS                     `<SHA-256>  <name>`, one line for each entry before it, in their order
 *
 * The bytes are those that a registry keeps. The same models and tags make the same archive, byte for byte. An archive
 * that was cut off has no SHA256SUMS; one that was unpacked is checked by `sha256sum -c SHA256SUMS`.
 */
import { checkTagName, isHash, PipekitError } from "@pipekit/proto";
import { z } from "zod";
import { FILES } from "../../model.ts";
import { logKey, nameOfTagKey, seqOfLogKey, tagKey } from "../../tag-file.ts";

export const HEAD = "pipekit-archive.json";
export const SUMS = "SHA256SUMS";
const VERSION = 1;

/** The files of a model in the order in which they stand. */
export const MODEL_FILES = [FILES.operator, FILES.preview, FILES.weights, FILES.metadata] as const;

const head = z.object({
  format: z.literal("pipekit-archive"),
  version: z.int(),
  models: z.int().nonnegative(),
  tags: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
});

/** What an archive's first entry tells. */
export type Head = Pick<z.infer<typeof head>, "models" | "tags" | "bytes">;

export function encodeHead({ models, tags, bytes }: Head): Buffer {
  const text = JSON.stringify({ format: "pipekit-archive", version: VERSION, models, tags, bytes }, null, 2);
  return Buffer.from(`${text}\n`);
}

/** Undefined for something else. Throws CORRUPT_ARCHIVE for a form of later versions. */
export function decodeHead(bytes: Buffer, path: string): Head | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
  const parsed = head.safeParse(value);
  if (!parsed.success) return undefined;
  if (parsed.data.version === VERSION) return parsed.data;
  throw new PipekitError("CORRUPT_ARCHIVE", `${path} has a form that this version does not know.`, {
    field: path,
    mend: "Import it with the version of pipekit-experiment that wrote it, or with a later one.",
  });
}

export const sumsLine = (sha256: string, name: string): string => `${sha256}  ${name}\n`;

/** What an entry is by its name. */
export type EntryKind =
  | { readonly kind: "head" }
  | { readonly kind: "model"; readonly hash: string; readonly file: (typeof MODEL_FILES)[number] }
  | { readonly kind: "log"; readonly name: string; readonly seq: number }
  | { readonly kind: "tag"; readonly name: string }
  | { readonly kind: "sums" };

/** Undefined for a name that no entry has: nothing that could lead elsewhere passes. */
export function kindOf(entry: string): EntryKind | undefined {
  if (entry === HEAD) return { kind: "head" };
  if (entry === SUMS) return { kind: "sums" };
  if (entry.startsWith("_log/")) {
    const [, name = ""] = entry.split("/");
    const seq = seqOfLogKey(entry);
    return isTagName(name) && entry === logKey(name, seq) ? { kind: "log", name, seq } : undefined;
  }
  if (entry.startsWith("_tags/")) {
    const name = nameOfTagKey(entry);
    return isTagName(name) && entry === tagKey(name) ? { kind: "tag", name } : undefined;
  }
  const hash = entry.slice(0, 64);
  const file = MODEL_FILES.find((known) => entry === `${hash}/${known}`);
  return isHash(hash) && file !== undefined ? { kind: "model", hash, file } : undefined;
}

/** Whether an entry may stand behind another. Each may stand once, and in one place only. */
export function comesAfter(entry: EntryKind, before: EntryKind): boolean {
  const [a, b] = [placeOf(before), placeOf(entry)];
  if (a.part !== b.part) return a.part < b.part;
  return a.name === b.name ? a.index < b.index : a.name < b.name;
}

function placeOf(entry: EntryKind): { part: number; name: string; index: number } {
  switch (entry.kind) {
    case "head":
      return { part: 0, name: "", index: 0 };
    case "model":
      return { part: 1, name: entry.hash, index: MODEL_FILES.indexOf(entry.file) };
    case "log":
      return { part: 2, name: entry.name, index: entry.seq };
    case "tag":
      return { part: 2, name: entry.name, index: Number.POSITIVE_INFINITY };
    case "sums":
      return { part: 3, name: "", index: 0 };
  }
}

function isTagName(name: string): boolean {
  try {
    checkTagName(name);
    return true;
  } catch {
    return false;
  }
}

/** What is wrong with an archive; `why` ends a sentence that begins with its path. */
export function corruptArchive(path: string, why: string, cause?: unknown): PipekitError {
  return new PipekitError("CORRUPT_ARCHIVE", `${path} ${why}.`, {
    field: path,
    mend: "Copy the file once more, or export it anew; models that were taken from it are sound.",
    cause,
  });
}
