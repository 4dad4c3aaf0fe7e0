/** What an answer of a ClearML server means when it is not the one asked for. */

import {
  type Answer,
  clip,
  commonFault,
  type HttpFault,
  PERSON_MS,
  sentence,
  stranger,
} from "@pipekit/adapters/http";
import { z } from "zod";

/**
 * Why a call was not carried out: what is common to HTTP tools, and
 * - `missing`: the task does not exist.
 * - `refused`: ClearML takes the request for wrong; `code` is the subcode of its answer.
 */
export interface Fault extends Omit<HttpFault, "kind"> {
  readonly kind: HttpFault["kind"] | "missing" | "refused";
  readonly code?: number;
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

/** Subcodes of a 400 (apierrors/errors.conf of the server). */
export const CODES = { invalidTaskId: 101, statusChanged: 121, taskNotFound: 130, notUnique: 801 } as const;

const MISSING: readonly number[] = [CODES.invalidTaskId, CODES.taskNotFound];

const ErrorBody = z.object({
  meta: z.object({ result_subcode: z.number().default(0), result_msg: z.string().default("") }),
});

/**
 * The server answers 500 also when its databases find fault with the data and always will: a value that Elasticsearch
 * cannot index, a task beyond MongoDB's 16 MB.
 */
const DATA_FAULT =
  /failed to parse|document_parsing|mapper_parsing|immense term|strict_dynamic_mapping|document too large|BSONObj ?size|DocumentTooLarge/i;

/** Reads an answer that is not a success. `url` is the server's address. */
export function readFault(reply: Answer, json: unknown, url: string): Fault {
  const tool = { name: "ClearML", url };
  const error = ErrorBody.safeParse(json).data?.meta;
  const said = clip(error === undefined ? reply.text : error.result_msg);
  if (error !== undefined && reply.status === 500 && DATA_FAULT.test(error.result_msg)) {
    return { kind: "refused", reason: sentence("ClearML refuses", said), code: error.result_subcode };
  }
  const common = commonFault(reply, tool, said);
  if (common !== undefined) return common;
  if (error === undefined) {
    const reason = `${stranger(reply, tool)} (status ${reply.status}).`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  const code = error.result_subcode;
  if (reply.status === 404) return { kind: "unsupported", reason: sentence("ClearML refuses", said), code };
  if (code === CODES.statusChanged)
    return { kind: "transient", reason: sentence("ClearML refuses", said), code };
  const kind = MISSING.includes(code) ? "missing" : "refused";
  return { kind, reason: sentence("ClearML refuses", said), code };
}

/** A failure made on this side. */
export function failed(
  kind: Fault["kind"],
  reason: string,
  more: Partial<Fault> = {},
): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: { kind, reason, ...more } };
}
