/** What W&B's answer means when it is not the one asked for. */

import {
  type Answer,
  clip,
  commonFault,
  type HttpFault,
  PERSON_MS,
  retryAfterMs,
  sentence,
  stranger,
  type Tool,
} from "@pipekit/adapters/http";
import { z } from "zod";

/** What is common to HTTP tools, and `refused`: W&B takes the request for wrong and says so itself. */
export interface Fault extends Omit<HttpFault, "kind"> {
  readonly kind: HttpFault["kind"] | "refused";
}

export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: Fault };

const Message = z.looseObject({ message: z.string() });
const ErrorBody = z.union([
  z.looseObject({ errors: z.array(Message).min(1) }).transform(({ errors }) => errors[0]?.message ?? ""),
  z.looseObject({ error: z.string() }).transform(({ error }) => error),
  z.looseObject({ error: Message }).transform(({ error }) => error.message),
  Message.transform(({ message }) => message),
]);

/** Statuses by which W&B refuses for good; its own client repeats all others. */
const REFUSED = new Set([400, 404, 409, 410, 422]);

/** Reads an answer that is not a success. */
export function readFault(reply: Answer, json: unknown, tool: Tool): Fault {
  const said = ErrorBody.safeParse(json).data;
  const common = commonFault(reply, tool, said ?? reply.text);
  if (common !== undefined) {
    if (common.kind !== "transient" || common.afterMs !== undefined) return common;
    const afterMs = limitResetMs(reply);
    return afterMs === undefined ? common : { ...common, afterMs };
  }
  if (said === undefined) {
    const reason = `${stranger(reply, tool)} (status ${reply.status}).`;
    return { kind: "transient", reason, afterMs: PERSON_MS };
  }
  if (REFUSED.has(reply.status)) {
    return { kind: "refused", reason: sentence(`W&B refuses (${reply.status})`, said) };
  }
  return { kind: "transient", reason: sentence(`W&B answers ${reply.status}`, said) };
}

/** GraphQL answers some failures with status 200; W&B's own client repeats none, and none is the end of a run. */
export function graphqlFault(json: unknown): Fault | undefined {
  const body = z.looseObject({ errors: z.array(Message).min(1) }).safeParse(json).data;
  const said = body?.errors[0]?.message;
  return said === undefined ? undefined : { kind: "transient", reason: sentence("W&B fails", clip(said)) };
}

/** When a limit that is used up is renewed: RateLimit-Reset, in seconds. */
function limitResetMs(reply: Answer): number | undefined {
  const { "ratelimit-remaining": remaining, "ratelimit-reset": reset } = reply.headers;
  const usedUp = reply.status === 429 || Number(remaining) <= 0;
  if (!usedUp || typeof reset !== "string" || !/^\s*\d/.test(reset)) return undefined;
  return retryAfterMs(reset, Date.now());
}
