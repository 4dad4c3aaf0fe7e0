/** The faults of the contract suite as fake-http.ts makes them. */

import { answer, type Fault, htmlPage, type SeenRequest } from "../support/fake-http.ts";
import type { ToolFault } from "./tracker-harness.ts";

/** What only a tool's harness knows. */
export interface ToolAnswers {
  /** An error in the tool's own format, with 503, 429, 500, 413 or 401. */
  readonly error: (status: number) => { readonly [name: string]: unknown } | string;
  /** The tool's answer that it will never take a request of this kind. */
  readonly refusal: Fault;
  /** Body of a write with the first half of its items only. */
  readonly half: (body: string, request: SeenRequest) => string;
  /** Address of a server that must get nothing of ours. */
  readonly foreignUrl: string;
}

/** Tells the proxy how to make a fault. Throws for one of a disk. */
export function httpFault(fault: ToolFault, tool: ToolAnswers): Fault {
  const error = (status: number, headers: Record<string, string> = {}) =>
    answer(status, tool.error(status), headers);
  switch (fault) {
    case "unavailable":
      return error(503, { "retry-after": "7" });
    case "rateLimited":
      return error(429);
    case "rateLimitedFor":
      return error(429, { "retry-after": "7" });
    case "rateLimitedUntil":
      return error(429, { "retry-after": new Date(Date.now() + 7000).toUTCString() });
    case "serverError":
      return error(500);
    case "tooLarge":
      return error(413);
    case "unauthorized":
      return error(401);
    case "htmlPage":
      return htmlPage();
    case "htmlError":
      return htmlPage(502);
    case "redirect":
      return answer(302, "", { location: "/login?next=%2F" });
    case "redirectAway":
      return answer(302, "", { location: `${tool.foreignUrl}/elsewhere` });
    case "answerLost":
      return { kind: "loseAnswer" };
    case "truncated":
      return { kind: "truncate" };
    case "slow":
      return { kind: "slow", pieces: 8, pauseMs: 25 };
    case "halfAccepted":
      return { kind: "halfAccept", half: tool.half, reply: error(500) };
    case "refusal":
      return tool.refusal;
    case "reset":
    case "resetRequest":
    case "resetAnswer":
    case "hang":
      return { kind: fault };
    case "diskFull":
    case "readOnly":
      throw new RangeError(`A network has no fault ${fault}.`);
  }
}
