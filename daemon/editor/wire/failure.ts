/** Failures as JSON-RPC errors. */
import { type FailureCode, PipekitError } from "@pipekit/proto";
import type { EditorFailure } from "@pipekit/proto/editor";
import { ErrorCodes, ResponseError } from "vscode-jsonrpc/node";
import type { z } from "zod";
import { failureDocument } from "../../view/documents/failure.ts";

/** Error codes that the Language Server Protocol adds to those of JSON-RPC. */
export const LSP_ERRORS = {
  requestFailed: -32803,
  contentModified: -32801,
  requestCancelled: -32800,
} as const;

/** JSON-RPC codes of failures; all others are `RequestFailed`. */
const CODES: { readonly [code in FailureCode]?: number } = {
  INVALID_ARGUMENT: ErrorCodes.InvalidParams,
  INTERNAL: ErrorCodes.InternalError,
};

/** A failure as an error with an `EditorFailure` as its data; an error that is none of ours is INTERNAL. */
export function errorOf(failure: unknown): ResponseError<EditorFailure> {
  const data = failureDocument(failure);
  return new ResponseError(CODES[data.code] ?? LSP_ERRORS.requestFailed, data.message, data);
}

/** Values from outside, checked. Throws INVALID_ARGUMENT, which names the field. */
export function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  const at = field === "" ? "" : ` at ${field}`;
  throw new PipekitError("INVALID_ARGUMENT", `The params of ${what} are wrong${at}: ${issue?.message}.`, {
    field,
    mend: "This is a fault of the editor or its extension; please report it there.",
  });
}
