/**
 * What `.dvc` files and `dvc.lock` record of data: path, hash, and how DVC is to treat it. Reading only.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { isScalar, parseDocument } from "yaml";
import { z } from "zod";
import { DatasetFault } from "../dataset.ts";
import type { Algorithm } from "./cache.ts";
import { formatListing, listingHash } from "./listing.ts";
import { corrupt, keyOf, parsed } from "./record-faults.ts";
import { stageOutputs } from "./stages.ts";

/** A file or folder that DVC keeps versions of. */
export interface RecordedOutput {
  /** Absolute path of the data. */
  readonly path: string;
  /** DVC's hash; empty when it was never recorded. */
  readonly hash: string;
  readonly algorithm: Algorithm;
  /** Absolute path of the `.dvc` file or `dvc.lock`. */
  readonly file: string;
  /** Name of the stage in dvc.lock; empty for a `.dvc` file. */
  readonly stage: string;
  /** Which of the outputs that the file lists, of the stage in dvc.lock, it is. Those that lie on a server count, too. */
  readonly index: number;
  /** Whether it was imported (`dvc import`, `dvc import-url`), so that its source says what it is. */
  readonly isImported: boolean;
  /** Bytes; undefined when not recorded. */
  readonly size: number | undefined;
  /** Files of a folder; undefined when not recorded, and for a file. */
  readonly files: number | undefined;
  readonly isExecutable: boolean;
  /** False for `cache: false`: it is kept by Git or by nobody, never in the cache or a remote. */
  readonly isCached: boolean;
  /** False for `push: false`. */
  readonly isPushed: boolean;
  /** Name of the remote that alone has it; empty for any. */
  readonly remote: string;
}

/** DVC's hash of a file or, with `.dir`, of a folder. */
export const HASH = /^[0-9a-f]{32}(\.dir)?$/;
const hashText = z.union([z.string(), z.number()]).nullish();

const OUTPUT = z.looseObject({
  path: z.string().min(1),
  md5: hashText,
  hash: z.string().nullish(),
  size: z.number().nullish(),
  nfiles: z.number().nullish(),
  isexec: z.boolean().nullish(),
  cache: z.boolean().nullish(),
  push: z.boolean().nullish(),
  remote: z.string().nullish(),
  files: z.array(z.looseObject({ relpath: z.string(), md5: z.string().nullish() })).nullish(),
});

const DVC_FILE = z.looseObject({
  wdir: z.string().nullish(),
  deps: z.array(z.unknown()).nullish(),
  outs: z.array(OUTPUT).nullish(),
});

const LOCK_FILE = z.looseObject({
  schema: z.literal("2.0"),
  stages: z.record(z.string(), z.looseObject({ outs: z.array(OUTPUT).nullish() })).nullish(),
});

type OutputFields = z.infer<typeof OUTPUT>;

/** Whether DVC takes a file of this name for one of its own. */
export function isRecordFile(name: string): boolean {
  return name === "dvc.lock" || (name.endsWith(".dvc") && name !== ".dvc") || name === "Dvcfile";
}

/** The outputs that a `.dvc` file or a dvc.lock records. Throws DatasetFault `corrupt` that names file and key. */
export async function readRecords(file: string): Promise<readonly RecordedOutput[]> {
  const text = await readFile(file, "utf8");
  const document = parseDocument(text, { logLevel: "error" });
  const wrong = document.errors[0];
  if (wrong !== undefined) {
    const line = wrong.linePos?.[0].line;
    throw corrupt(file, line === undefined ? file : `${file}:${line}`, "is no YAML that can be read", wrong);
  }
  const sourceOf = (path: readonly (string | number)[]): string => {
    const node = document.getIn(path, true);
    return isScalar(node) && typeof node.source === "string" ? node.source : "";
  };
  const value = plainValue(document, file);
  const folder = dirname(file);
  if (basename(file) !== "dvc.lock") {
    const { wdir, deps, outs } = parsed(DVC_FILE, value, file);
    const isImported = (deps ?? []).length > 0;
    const base = resolve(folder, wdir ?? ".");
    return (outs ?? []).flatMap((fields, index) =>
      outputOf(fields, { file, stage: "", index, isImported, base, at: ["outs", index], sourceOf }),
    );
  }
  const { stages } = parsed(LOCK_FILE, value, file);
  const outputs: RecordedOutput[] = [];
  const flags = await stageOutputs(resolve(folder, "dvc.yaml"));
  for (const [stage, { outs }] of Object.entries(stages ?? {})) {
    const base = resolve(folder, flags.workFolder(stage));
    for (const [index, fields] of (outs ?? []).entries()) {
      const at = ["stages", stage, "outs", index];
      const merged = { ...fields, ...flags.of(stage, fields.path) };
      outputs.push(...outputOf(merged, { file, stage, index, isImported: false, base, at, sourceOf }));
    }
  }
  return outputs;
}

function plainValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    // Aliases of aliases, whose value would fill the memory.
    throw corrupt(file, file, "is no YAML that can be read", error);
  }
}

interface Place {
  readonly file: string;
  readonly stage: string;
  readonly index: number;
  readonly isImported: boolean;
  /** Folder that paths are relative to. */
  readonly base: string;
  /** Keys that lead to the output. */
  readonly at: readonly (string | number)[];
  /** How a value at keys is written in the file. */
  readonly sourceOf: (path: readonly (string | number)[]) => string;
}

/** None for an output that lies on a server. */
function outputOf(
  fields: OutputFields,
  { file, stage, index, isImported, base, at, sourceOf }: Place,
): readonly RecordedOutput[] {
  if (/^\w+:\/\//.test(fields.path)) return [];
  const path = resolve(base, fields.path);
  if (path.includes("\0")) {
    throw corrupt(file, `${file}: ${keyOf([...at, "path"])}`, "records a path with a NUL in it", undefined);
  }
  const hash = hashOf(fields, file, at, sourceOf);
  return [
    {
      path,
      hash,
      // Since DVC 3 the key `hash` says how; what DVC 2 wrote has none.
      algorithm: fields.hash === "md5" ? "md5" : "md5-dos2unix",
      file,
      stage,
      index,
      isImported,
      size: fields.size ?? undefined,
      files: fields.nfiles ?? undefined,
      isExecutable: fields.isexec ?? false,
      isCached: fields.cache ?? true,
      isPushed: fields.push ?? true,
      remote: fields.remote ?? "",
    },
  ];
}

function hashOf(fields: OutputFields, file: string, at: Place["at"], sourceOf: Place["sourceOf"]): string {
  const { md5, files } = fields;
  if (md5 === undefined || md5 === null || md5 === "") {
    const entries = (files ?? []).map(({ relpath, md5: hash }) => ({ relpath, md5: hash ?? "" }));
    // A remote that keeps versions itself makes DVC record a folder's files here.
    return entries.some((entry) => HASH.test(entry.md5)) ? listingHash(formatListing(entries)) : "";
  }
  // Digits alone would be a number, whose text is another.
  const written = typeof md5 === "number" ? sourceOf([...at, "md5"]) : md5;
  const hash = written.toLowerCase();
  if (HASH.test(hash)) return hash;
  const key = keyOf([...at, "md5"]);
  throw new DatasetFault("corrupt", `${key} in ${file} is no MD5: ${written}.`, {
    field: `${file}: ${key}`,
    mend: "Restore the file from version control, or add the data anew.",
  });
}
