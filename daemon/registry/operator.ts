/** Checks of the JSON documents that describe a model. */
import { PipekitError } from "@pipekit/proto";
import { canonicalText, compactText, type JsonObject, type JsonValue, parseJson } from "../content/index.ts";

/** A document in the three forms that are needed of it. */
export interface Document<T extends JsonValue = JsonValue> {
  readonly value: T;
  /** RFC 8785: what digests are made of. */
  readonly canonical: string;
  /** With the sources of its numbers: what is kept and given back. */
  readonly compact: string;
}

/** The state of an operator: at least {module, class, config}. Throws NOT_AN_OPERATOR, INVALID_CONFIG. */
export function parseOperator(text: string): Document<JsonObject> {
  const value = text === "" ? null : parseJson(text);
  if (!(value instanceof Map)) throw notAnOperator("operator_json", "its state is no JSON object");
  for (const name of ["module", "class"]) {
    const entry = value.get(name);
    if (entry === undefined) throw notAnOperator(name, `its state has no \`${name}\``);
    if (typeof entry !== "string" || entry === "") {
      throw notAnOperator(name, `\`${name}\` in its state is not a non-empty text`);
    }
  }
  if (!value.has("config")) throw notAnOperator("config", "its state has no `config`");
  if (!(value.get("config") instanceof Map)) {
    throw notAnOperator("config", "`config` in its state is no JSON object");
  }
  return documentOf(value);
}

/** A document that may be absent: undefined for the empty text. Throws INVALID_CONFIG. */
export function parseOptional(text: string, root: string): Document | undefined {
  return text === "" ? undefined : documentOf(parseJson(text, root));
}

/** A JSON object; the empty text is an empty one. Throws INVALID_CONFIG. */
export function parseObject(text: string, root: string): Document<JsonObject> {
  const value = text === "" ? new Map<string, JsonValue>() : parseJson(text, root);
  if (!(value instanceof Map)) {
    throw new PipekitError("INVALID_CONFIG", `\`${root}\` is no JSON object.`, {
      field: root,
      mend: "Give it as an object of names and values.",
    });
  }
  return documentOf(value);
}

function documentOf<T extends JsonValue>(value: T): Document<T> {
  return { value, canonical: canonicalText(value), compact: compactText(value) };
}

function notAnOperator(field: string, why: string): PipekitError {
  return new PipekitError("NOT_AN_OPERATOR", `What was to be stored is not an Operator: ${why}.`, {
    field,
    mend: "Store a pipekit Operator: its `.state` is {module, class, config}.",
  });
}
