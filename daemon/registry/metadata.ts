/**
 * metadata.json: what makes a folder a model. It is written last and carries a digest over itself.
 *
 * Bytes: a JSON object, one entry a line. Its last two lines are `  "digest": "<64 hex>"` and `}`; the digest is the
 * SHA-256 of all bytes before the line of the digest. `operator` and `training_config` keep the sources of their numbers.
 */
import {
  canonicalText,
  compactText,
  JsonNumber,
  type JsonObject,
  type JsonValue,
  parseJson,
} from "../content/index.ts";
import { manifestText, sha256 } from "./manifest.ts";

/** A digest and size of one file of a model. */
export interface FileDigest {
  readonly sha256: string;
  readonly size: number;
}

/** What metadata.json says. */
export interface Metadata {
  readonly hash: string;
  readonly manifest: string;
  readonly createdAtMs: number;
  readonly runId: string;
  readonly weightsFormat: string;
  readonly operatorYaml: FileDigest;
  readonly preview: FileDigest | undefined;
  readonly weights: FileDigest | undefined;
  /** Free metadata. */
  readonly free: JsonObject;
  readonly trainingConfig: JsonValue | undefined;
  readonly datasetHash: string;
  readonly operator: JsonObject;
}

/** What is wrong with a model's files; one sentence that names the file. */
export class Damage extends Error {}

/** Documents of clients, 100 levels deep at most, stand one level down here. */
const MAX_DEPTH = 101;
const TRAILER = /^ {2}"digest": "([0-9a-f]{64})"\n\}\n$/;
const TRAILER_LENGTH = '  "digest": ""\n}\n'.length + 64;

/** Bytes of metadata.json. */
export function encodeMetadata(metadata: Metadata): Buffer {
  const files = {
    "operator.yaml": metadata.operatorYaml,
    ...(metadata.preview && { "preview.json": metadata.preview }),
    ...(metadata.weights && { "weights.bin": metadata.weights }),
  };
  const entries: [string, string][] = [
    ["format", '"pipekit-metadata"'],
    ["version", "1"],
    ["hash", JSON.stringify(metadata.hash)],
    ["manifest", JSON.stringify(metadata.manifest)],
    ["created_at", JSON.stringify(new Date(metadata.createdAtMs).toISOString())],
    ["run_id", JSON.stringify(metadata.runId)],
    ["weights_format", JSON.stringify(metadata.weightsFormat)],
    ["files", JSON.stringify(files)],
    ["metadata", compactText(metadata.free)],
    ["dataset_hash", JSON.stringify(metadata.datasetHash)],
    [
      "training_config",
      metadata.trainingConfig === undefined ? "null" : compactText(metadata.trainingConfig),
    ],
    ["has_training_config", String(metadata.trainingConfig !== undefined)],
    ["operator", compactText(metadata.operator)],
  ];
  const body = `{\n${entries.map(([name, text]) => `  "${name}": ${text},\n`).join("")}`;
  return Buffer.from(`${body}  "digest": "${sha256(body)}"\n}\n`);
}

/**
 * Reads metadata.json of the model `hash` and checks all that it says about itself: its own digest, and that its parts
 * make the manifest and the manifest makes the hash. Throws Damage.
 */
export function decodeMetadata(bytes: Buffer, hash: string): Metadata {
  const trailer = TRAILER.exec(bytes.subarray(-TRAILER_LENGTH).toString("latin1"));
  if (trailer === null) throw new Damage("metadata.json is cut short.");
  if (sha256(bytes.subarray(0, -TRAILER_LENGTH)) !== trailer[1]) {
    throw new Damage("metadata.json does not have the digest that it carries.");
  }
  const metadata = readFields(bytes.toString("utf8"));
  if (sha256(metadata.manifest) !== hash || metadata.hash !== hash) {
    throw new Damage("The manifest in metadata.json belongs to another model.");
  }
  const made = manifestText({
    operator: canonicalText(metadata.operator),
    trainingConfig:
      metadata.trainingConfig === undefined ? undefined : canonicalText(metadata.trainingConfig),
    datasetHash: metadata.datasetHash,
    weights: metadata.weights,
  });
  if (made !== metadata.manifest)
    throw new Damage("metadata.json describes another model than its manifest.");
  return metadata;
}

function readFields(text: string): Metadata {
  let root: JsonObject;
  try {
    root = object(parseJson(text, "", MAX_DEPTH));
    if (root.get("format") !== "pipekit-metadata" || number(root.get("version")) !== 1) {
      throw new Damage("metadata.json has a form that this version does not know.");
    }
    const files = object(root.get("files"));
    const operatorYaml = fileDigest(files.get("operator.yaml"));
    if (operatorYaml === undefined) throw new Damage("metadata.json lacks the digest of operator.yaml.");
    const trainingConfig = root.get("training_config");
    return {
      hash: string(root.get("hash")),
      manifest: string(root.get("manifest")),
      createdAtMs: moment(root.get("created_at")),
      runId: string(root.get("run_id")),
      weightsFormat: string(root.get("weights_format")),
      operatorYaml,
      preview: fileDigest(files.get("preview.json")),
      weights: fileDigest(files.get("weights.bin")),
      free: object(root.get("metadata")),
      trainingConfig: root.get("has_training_config") === true ? trainingConfig : undefined,
      datasetHash: string(root.get("dataset_hash")),
      operator: object(root.get("operator")),
    };
  } catch (error) {
    if (error instanceof Damage) throw error;
    throw new Damage("metadata.json lacks something or holds it in another form.", { cause: error });
  }
}

function fileDigest(value: JsonValue | undefined): FileDigest | undefined {
  if (value === undefined) return undefined;
  const entries = object(value);
  return { sha256: string(entries.get("sha256")), size: count(entries.get("size")) };
}

function object(value: JsonValue | undefined): JsonObject {
  if (value instanceof Map) return value;
  throw new Damage("metadata.json holds something else where an object belongs.");
}

function string(value: JsonValue | undefined): string {
  if (typeof value === "string") return value;
  throw new Damage("metadata.json holds something else where a text belongs.");
}

function number(value: JsonValue | undefined): number {
  if (value instanceof JsonNumber) return value.value;
  throw new Damage("metadata.json holds something else where a number belongs.");
}

function count(value: JsonValue | undefined): number {
  const found = number(value);
  if (Number.isSafeInteger(found) && found >= 0) return found;
  throw new Damage("metadata.json holds another number where a size belongs.");
}

/** Milliseconds; as microseconds, too, it is a number that clients can be told. */
function moment(value: JsonValue | undefined): number {
  const ms = Date.parse(string(value));
  if (Number.isSafeInteger(ms * 1000)) return ms;
  throw new Damage("metadata.json holds something else where a time belongs.");
}
