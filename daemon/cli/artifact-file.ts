/**
 * The file of a training or inference artifact, as docs/artifacts.md specifies it: JSON, sealed by the SHA-256 of all its
 * bytes. Python writes it (clients/python/src/pipekit_experiment/_src/artifacts/file.py).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { PipekitError } from "@pipekit/experiment";
import { z } from "zod";

const VERSION = 1;
const HEAD =
  /^\{\n {2}"format": "([a-z0-9-]{1,64})",\n {2}"version": ([1-9][0-9]{0,8}),\n {2}"digest": "sha256:([0-9a-f]{64})",\n/;
/** Longer than any head; it is all in ASCII. */
const HEAD_BYTES = 256;
const ZEROS = "0".repeat(64);

/** A text is a list of its lines in the file. */
const text = z.array(z.string()).transform((lines) => lines.join("\n"));
const object = z.record(z.string(), z.unknown());
const common = { model_registry_uri: z.string(), backend_info: object, deps_lock: text, metadata: object };

const BODIES = {
  "pipekit-training-artifact": z.object({
    training_pipeline_yaml: text,
    dataset_hash: z.string(),
    trained_model_hash: z.string(),
    tracker_run_id: z.string().nullable(),
    ...common,
  }),
  "pipekit-inference-artifact": z.object({
    pipeline_yaml: text,
    pinned_model_hashes: z.record(z.string(), z.string()),
    ...common,
  }),
} as const;

type Format = keyof typeof BODIES;
export type TrainingBody = z.infer<(typeof BODIES)["pipekit-training-artifact"]>;
export type InferenceBody = z.infer<(typeof BODIES)["pipekit-inference-artifact"]>;

/** An artifact whose bytes are as they were written. */
export interface Artifact {
  readonly format: Format;
  readonly version: number;
  /** SHA-256, lowercase hex. */
  readonly digest: string;
  readonly body: TrainingBody | InferenceBody;
}

/** Throws ARTIFACT_UNREADABLE, CORRUPT_ARTIFACT, FORMAT_TOO_NEW. */
export async function readArtifact(path: string): Promise<Artifact> {
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (cause) {
    throw new PipekitError("ARTIFACT_UNREADABLE", `The artifact ${path} cannot be read.`, {
      field: path,
      mend: "Check the path.",
      cause,
    });
  }
  const head = HEAD.exec(data.subarray(0, HEAD_BYTES).toString("latin1"));
  if (head === null) throw damaged(path, data, "it does not begin as an artifact does");
  const [whole, format = "", version = "", digest = ""] = head;
  const at = whole.indexOf(digest, whole.indexOf("sha256:"));
  const found = createHash("sha256")
    .update(data.subarray(0, at))
    .update(ZEROS)
    .update(data.subarray(at + digest.length))
    .digest("hex");
  if (found !== digest) throw damaged(path, data, "its bytes do not have the digest that stands in it");
  if (!isFormat(format)) throw damaged(path, data, `its format ${format} is unknown`);
  if (Number(version) > VERSION) {
    throw new PipekitError(
      "FORMAT_TOO_NEW",
      `The artifact ${path} has version ${version} of its format; this version reads up to ${VERSION}.`,
      { field: path, mend: "Update pipekit-experiment." },
    );
  }
  return { format, version: Number(version), digest, body: bodyOf(path, data, format) };
}

function isFormat(format: string): format is Format {
  return Object.hasOwn(BODIES, format);
}

function bodyOf(path: string, data: Buffer, format: Format): TrainingBody | InferenceBody {
  let document: unknown;
  try {
    document = JSON.parse(data.toString());
  } catch (cause) {
    throw damaged(path, data, "it is no JSON", cause);
  }
  const parsed = z.object({ body: BODIES[format] }).safeParse(document);
  if (parsed.success) return parsed.data.body;
  const field = parsed.error.issues[0]?.path.slice(1).join(".") ?? "";
  throw damaged(path, data, `its \`${field}\` is missing or malformed`, parsed.error);
}

function damaged(path: string, data: Buffer, why: string, cause?: unknown): PipekitError {
  const restore = "Restore the file from a backup.";
  // What git and mail programs do to text files.
  const mend = data.includes("\r\n") ? `Its line ends were changed: keep it as it is. ${restore}` : restore;
  return new PipekitError("CORRUPT_ARTIFACT", `${path} is damaged, or no artifact: ${why}.`, {
    field: path,
    mend,
    cause,
  });
}
