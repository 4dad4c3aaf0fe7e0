import { PipekitError } from "@pipekit/proto";
import { EDITOR_PARAMS, type EditorMethod } from "@pipekit/proto/editor";
import type { z } from "zod";

/** What a request says, checked and with its defaults. */
export type Checked<M extends EditorMethod> = z.output<(typeof EDITOR_PARAMS)[M]>;

/** Throws INVALID_ARGUMENT (method). */
export function checkedMethod(method: string): EditorMethod {
  if (Object.hasOwn(EDITOR_PARAMS, method)) return method as EditorMethod;
  throw new PipekitError("INVALID_ARGUMENT", `There is no request ${JSON.stringify(method.slice(0, 100))}.`, {
    field: "method",
    mend: `Ask one of ${Object.keys(EDITOR_PARAMS).join(", ")}.`,
  });
}

/** Throws INVALID_ARGUMENT that names the param. */
export function checkedParams<M extends EditorMethod>(method: M, params: unknown): Checked<M> {
  const parsed = EDITOR_PARAMS[method].safeParse(params ?? {});
  if (parsed.success) return parsed.data as Checked<M>;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const field = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join(".").slice(0, 200);
  const what = field === "" ? "The params" : `The param \`${field}\``;
  throw new PipekitError(
    "INVALID_ARGUMENT",
    `${what} of ${method} cannot be used: ${issue?.message ?? ""}.`,
    {
      field: field === "" ? "params" : field,
      mend: "See docs/editor-protocol.md for what this request takes.",
    },
  );
}
