/** What a call has come to. */

import type { IncomingHttpHeaders } from "node:http";
import type { Fault } from "./faults.ts";

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

/** Whether somebody else answers: MLflow hands out a file as an attachment, a login page comes as itself. */
export function isPage(headers: IncomingHttpHeaders): boolean {
  return /^text\/html\b/i.test(headers["content-type"] ?? "") && headers["content-disposition"] === undefined;
}

/** A failure. */
export function failed(
  kind: Fault["kind"],
  reason: string,
  more: Partial<Fault> = {},
): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { kind, reason, ...more } };
}
