/** What adapters of tools with an HTTP interface share: one exchange, what its failure means, and credentials by reference. */

export {
  formatReference,
  missingReference,
  parseReference,
  type Reference,
  resolveReference,
} from "../secret.ts";
export type { FileSlice } from "./body.ts";
export {
  type Authorization,
  basic,
  bearer,
  Renewed,
  scrub,
} from "./credentials.ts";
export { exchange, type HttpReply, type HttpRequest } from "./exchange.ts";
export {
  type Answer,
  answers,
  commonFault,
  failureOf,
  type HttpFault,
  looksLikeHtml,
  PERSON_MS,
  retryAfterMs,
  retryOf,
  sentence,
  stranger,
  type Tool,
} from "./faults.ts";
export { type Incoming, type IncomingRequest, receive } from "./receive.ts";
export { clip } from "./text.ts";
