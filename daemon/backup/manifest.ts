/** The manifest of a backup: canonical JSON with the SHA-256 of its other fields, so that no flipped bit of it passes. */
import { createHash } from "node:crypto";
import { parseJson } from "@pipekit/adapters/json";
import { PipekitError } from "@pipekit/proto";
import { z } from "zod";
import { canonicalJson } from "../content/index.ts";
import { corrupt, MANIFEST } from "./form.ts";

const FORM = 1;

const Manifest = z.strictObject({
  /** Unix microseconds, when everything was in it. */
  at_us: z.int(),
  bytes: z.int(),
  daemon_version: z.string(),
  digest: z.string(),
  files: z.int(),
  form: z.literal(FORM),
  format: z.literal("pipekit-backup"),
  left_out: z.array(z.string()),
  notes: z.array(z.string()),
  /** Host and absolute path of the state folder. */
  origin: z.strictObject({ folder: z.string(), host: z.string() }),
  points: z.int(),
  runs: z.int(),
  /** SHA-256 of SHA256SUMS. */
  sums: z.string(),
});

/** What a backup says of itself. */
export type Manifest = z.infer<typeof Manifest>;

/** The manifest with its digest, and its text. */
export function sealManifest(fields: Omit<Manifest, "digest" | "form" | "format">): {
  readonly manifest: Manifest;
  readonly text: string;
} {
  const body = { ...fields, form: FORM, format: "pipekit-backup" } as const;
  const manifest = { ...body, digest: digestOf(body) };
  return { manifest, text: `${JSON.stringify(manifest, null, 2)}\n` };
}

/** Throws CORRUPT_BACKUP, FORMAT_TOO_NEW. */
export function readManifest(backup: string, text: string): Manifest {
  const value = parseJson(text);
  const form = z.looseObject({ format: z.literal("pipekit-backup"), form: z.int() }).safeParse(value);
  if (form.success && form.data.form > FORM) {
    throw new PipekitError("FORMAT_TOO_NEW", `The backup ${backup} is of a newer form.`, {
      field: backup,
      mend: "Restore it with the version of pipekit-experiment that wrote it, or with a later one.",
    });
  }
  const found = Manifest.safeParse(value);
  if (!found.success) throw corrupt(backup, MANIFEST, "is no manifest of a backup", found.error);
  const { digest, ...body } = found.data;
  if (digestOf(body) !== digest) throw corrupt(backup, MANIFEST, "is not as it was written");
  return found.data;
}

function digestOf(body: object): string {
  return createHash("sha256")
    .update(canonicalJson(JSON.stringify(body)))
    .digest("hex");
}
