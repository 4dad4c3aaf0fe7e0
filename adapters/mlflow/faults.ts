/** What a server's answer means when it is not the one asked for. */

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
 * - `missing`: the run or experiment does not exist.
 * - `refused`: MLflow takes the request for wrong, `code` says how.
 */
export interface Fault extends Omit<HttpFault, "kind"> {
  readonly kind: HttpFault["kind"] | "missing" | "refused";
  readonly code?: string;
  /** Of the answer; absent without one. */
  readonly status?: number;
}

const ErrorBody = z.object({ error_code: z.string(), message: z.string().default("") });

/** Reads an answer that is not a success. `url` is the server's address. */
export function readFault(reply: Answer, json: unknown, url: string): Fault {
  const { status } = reply;
  const tool = { name: "MLflow", url };
  const error = ErrorBody.safeParse(json).data;
  const said = clip(error === undefined ? reply.text : error.message || error.error_code);
  if (status === 503 && reply.text.includes("--no-serve-artifacts")) {
    const reason = `MLflow at ${new URL(url).host} runs with --no-serve-artifacts and takes no artifacts.`;
    return { kind: "unsupported", reason };
  }
  const common = commonFault(reply, tool, said);
  if (common !== undefined) return common;
  if (error === undefined || error.error_code === "ENDPOINT_NOT_FOUND") {
    return {
      kind: "transient",
      reason: `${stranger(reply, tool)} (status ${status}).`,
      afterMs: PERSON_MS,
    };
  }
  const kind = error.error_code === "RESOURCE_DOES_NOT_EXIST" ? "missing" : "refused";
  return { kind, reason: sentence("MLflow refuses", said), code: error.error_code };
}
