/** What a client sends to be stored, and the checks that need nothing but it. */
import { checkTagName, PipekitError } from "@pipekit/proto";
import type { JsonObject } from "../content/index.ts";
import { checkMoveId } from "./made-moves.ts";
import { type Document, parseObject, parseOperator, parseOptional } from "./operator.ts";
import { yamlBytes } from "./yaml.ts";

/** Where weights come from. */
export type WeightsSource =
  | { readonly kind: "stream"; readonly chunks: AsyncIterable<Buffer> }
  /** Absolute path of a file to copy, or, `staged`, of one in the staging folder to take. */
  | { readonly kind: "path"; readonly path: string; readonly staged: boolean };

/** A model to store. JSON texts may be empty where the document is optional. */
export interface NewModel {
  readonly operatorJson: string;
  readonly trainingConfigJson: string;
  readonly datasetHash: string;
  readonly metadataJson: string;
  readonly previewJson: string;
  readonly runId: string;
  /** Tag to set; empty for none. */
  readonly name: string;
  readonly force: boolean;
  readonly actor: string;
  /** Who it is as the daemon knows it; nobody when absent. */
  readonly principal?: string;
  /** Of the call that moves `name`, as in MoveRequest. */
  readonly moveId?: string;
  /** Undefined for a model without weights. */
  readonly weights: WeightsSource | undefined;
  readonly weightsFormat: string;
}

/** The documents of a model to store, checked. */
export interface Documents {
  readonly operator: Document<JsonObject>;
  readonly trainingConfig: Document | undefined;
  readonly free: Document<JsonObject>;
  readonly preview: Document | undefined;
}

/** All documents of a model travel in one message and are kept in small files. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** What a backend reads whole. */
const MAX_YAML_BYTES = 16 * 1024 * 1024;
const MAX_TEXT_LENGTH = 4096;

/** Throws NOT_AN_OPERATOR, INVALID_CONFIG, TAG_NAME_INVALID, INVALID_ARGUMENT, STORAGE_FULL (too large). */
export function checkNewModel(model: NewModel): Documents {
  if (model.name !== "") checkTagName(model.name);
  checkMoveId(model.moveId);
  checkText("actor", model.actor);
  checkText("dataset_hash", model.datasetHash);
  checkText("run_id", model.runId);
  checkText("weights_format", model.weightsFormat);
  const texts = [model.operatorJson, model.trainingConfigJson, model.metadataJson, model.previewJson];
  const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MAX_DOCUMENT_BYTES) {
    throw new PipekitError(
      "STORAGE_FULL",
      `The model's documents have ${bytes} bytes; at most ${MAX_DOCUMENT_BYTES} are allowed.`,
      {
        field: "operator_json",
        mend: "Move bulk data out of config, metadata and preview into the weights.",
      },
    );
  }
  const operator = parseOperator(model.operatorJson);
  const yaml = yamlBytes(operator.value);
  if (yaml > MAX_YAML_BYTES) {
    throw new PipekitError(
      "STORAGE_FULL",
      `The operator's state would be ${yaml} bytes of YAML; at most ${MAX_YAML_BYTES} are allowed.`,
      { field: "operator_json", mend: "Nest it less deep, or move bulk data into the weights." },
    );
  }
  return {
    operator,
    trainingConfig: parseOptional(model.trainingConfigJson, "training_config"),
    free: parseObject(model.metadataJson, "metadata"),
    preview: parseOptional(model.previewJson, "preview"),
  };
}

/** Throws INVALID_ARGUMENT for a text that is too long to be kept as a note. */
export function checkText(field: string, text: string): void {
  if (text.length <= MAX_TEXT_LENGTH) return;
  throw new PipekitError(
    "INVALID_ARGUMENT",
    `\`${field}\` has ${text.length} characters; at most ${MAX_TEXT_LENGTH} are allowed.`,
    { field, mend: "Shorten it." },
  );
}
