/**
 * The manifest: the few bytes whose SHA-256 is a model's id.
 *
 * Bytes of version 1, UTF-8, no space and no newline, entries always in this order:
 *
 *   {"format":"pipekit-model","version":1,"operator":O,"training_config":T,"dataset":D,"weights":W}
 *
 *   O  a JSON string: SHA-256 (lowercase hex) of the operator's state as canonical JSON (RFC 8785)
 *   T  a JSON string: the same of the training config; `null` when there is none
 *   D  the data set's content hash as a JSON string (escaped as RFC 8785 does); `null` when there is none
 *   W  {"sha256":S,"size":N}: digest (lowercase hex) and decimal size of the weights; `null` when there are none
 *
 * Architecture Invariant: version 1 never changes (test/golden/model-ids.json); another form is another version.
 */
import { createHash } from "node:crypto";

/** What a model's identity is made of. */
export interface Identity {
  /** Canonical JSON of the operator's state. */
  readonly operator: string;
  /** Canonical JSON; undefined when there is none. */
  readonly trainingConfig: string | undefined;
  /** Empty when there is none. */
  readonly datasetHash: string;
  /** Undefined when there are no weights; empty weights are weights. */
  readonly weights: { readonly sha256: string; readonly size: number } | undefined;
}

/** The manifest's text. */
export function manifestText(identity: Identity): string {
  const { operator, trainingConfig, datasetHash, weights } = identity;
  return JSON.stringify({
    format: "pipekit-model",
    version: 1,
    operator: sha256(operator),
    training_config: trainingConfig === undefined ? null : sha256(trainingConfig),
    dataset: datasetHash === "" ? null : datasetHash,
    weights: weights === undefined ? null : { sha256: weights.sha256, size: weights.size },
  });
}

/** SHA-256 of a text's UTF-8 bytes or of bytes, lowercase hex. */
export function sha256(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
