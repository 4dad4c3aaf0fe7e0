/**
 * What the page in a webview sends: `{id, method, params}`, and `{cancel: id}` for what it no longer waits for. It
 * comes from outside, and is checked. What is sent to it is told in clients/page/src/hosts/webview.ts.
 */
import { EDITOR_PARAMS, type EditorMethod } from "@pipekit/proto/editor";
import { z } from "zod";

const METHODS = Object.keys(EDITOR_PARAMS) as EditorMethod[];

const REQUEST = z.object({ id: z.number().int(), method: z.enum(METHODS), params: z.unknown() });
const CANCELLATION = z.object({ cancel: z.number().int() });
const NUMBERED = z.object({ id: z.number().int() });

export type PageMessage =
  | { readonly kind: "request"; readonly id: number; readonly method: EditorMethod; readonly params: unknown }
  | { readonly kind: "cancel"; readonly id: number }
  /** A request that is refused; the page waits for an answer to it. */
  | { readonly kind: "refused"; readonly id: number; readonly field: string; readonly message: string };

/** Undefined for what is no message of the page's, and needs no answer. */
export function readMessage(message: unknown): PageMessage | undefined {
  const cancellation = CANCELLATION.safeParse(message);
  if (cancellation.success) return { kind: "cancel", id: cancellation.data.cancel };
  const numbered = NUMBERED.safeParse(message);
  if (!numbered.success) return undefined;
  const { id } = numbered.data;
  const request = REQUEST.safeParse(message);
  if (!request.success)
    return { kind: "refused", id, field: "method", message: "The page asked for what is unknown." };
  const { method } = request.data;
  const params = EDITOR_PARAMS[method].safeParse(request.data.params ?? {});
  if (params.success) return { kind: "request", id, method, params: params.data };
  const [issue] = params.error.issues;
  return {
    kind: "refused",
    id,
    field: issue?.path.join(".") ?? "",
    message: `${method}: ${issue?.message ?? "the params cannot be read"}.`,
  };
}

/** A place of the page, as it stands behind `#` in its address. */
const ROUTE =
  /^#\/(runs|models|dead-letters|(run|compare|model|tag|dead-letters)\/[^\s"<>]+)(\?registry=[^\s"<>]*)?$/;

const STATE = z.object({ route: z.string().regex(ROUTE) });

/** Where a page of an earlier window was; the list of runs where that is not known. */
export function savedRoute(state: unknown): string {
  const read = STATE.safeParse(state);
  return read.success ? read.data.route : "#/runs";
}

function ofRegistry(registry: string): string {
  return registry === "" ? "" : `?${new URLSearchParams({ registry })}`;
}

/** Addresses of places, as the page reads them. */
export const ROUTES = {
  runs: "#/runs",
  run: (runId: string) => `#/run/${encodeURIComponent(runId)}`,
  compare: (runIds: readonly string[]) => `#/compare/${runIds.map(encodeURIComponent).join(",")}`,
  models: (registry: string) => `#/models${ofRegistry(registry)}`,
  model: (ref: string, registry: string) => `#/model/${encodeURIComponent(ref)}${ofRegistry(registry)}`,
  tag: (name: string, registry: string) => `#/tag/${encodeURIComponent(name)}${ofRegistry(registry)}`,
  deadLetters: (runId: string) =>
    runId === "" ? "#/dead-letters" : `#/dead-letters/${encodeURIComponent(runId)}`,
} as const;
