/**
 * The audit log: `audit/` in the state folder, append-only JSON lines chained by SHA-256 (docs/audit.md).
 *
 * Architecture Invariant: an entry is never changed and never removed by the daemon; what a crash has torn off is cut, and
 * an entry says so.
 */
export type { AuditEvent, Head, Subject } from "./entry.ts";
export { AuditLog } from "./log.ts";
export { readAudit } from "./read.ts";
export { type Refusal, Refusals } from "./refusals.ts";
export { subjectOf, withoutSecrets } from "./subject.ts";
export { type Verified, verifyAudit, verifyNewest } from "./verify.ts";
