/**
 * An entry of the audit log and its line: canonical JSON (RFC 8785) with the SHA-256 of the entry before (`prev`) and of
 * its own other fields (`digest`). A line that is not exactly the canonical text of what it says is no entry.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson } from "../content/canonical.ts";

/** What an entry is about: names and numbers of a request, without secrets. */
export type Subject = Readonly<{ [name: string]: string | number | boolean | readonly string[] }>;

/** What an entry tells; see AuditEntry in daemon.proto. */
export interface AuditEvent {
  readonly kind:
    | "intent"
    | "outcome"
    | "run"
    | "refused"
    | "start"
    | "stop"
    | "config"
    | "mended"
    | "damaged";
  readonly principal?: string;
  readonly peer?: string;
  readonly method?: string;
  readonly subject?: Subject;
  readonly outcome?: string;
  /** Of an outcome: seq of its intent. */
  readonly intent?: number;
  readonly count?: number;
}

/** The end of a chain: seq and digest of its last entry. */
export interface Head {
  readonly seq: number;
  /** Hex; empty before the first entry. */
  readonly digest: string;
}

const Entry = z.strictObject({
  /** Unix microseconds. */
  at: z.number().int(),
  count: z.number().int(),
  digest: z.string(),
  intent: z.number().int(),
  kind: z.string(),
  method: z.string(),
  outcome: z.string(),
  peer: z.string(),
  prev: z.string(),
  principal: z.string(),
  seq: z.number().int().min(1),
  subject: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
});

/** An entry as it stands in the log. */
export type AuditEntry = z.infer<typeof Entry>;

/** No line is longer, bytes. */
export const MAX_LINE_BYTES = 64 * 1024;

export const NO_HEAD: Head = { seq: 0, digest: "" };

/** The line, without its end, of the event as the entry after `head`, and the new head. */
export function seal(event: AuditEvent, head: Head, atUs: number): { readonly line: string } & Head {
  const seq = head.seq + 1;
  const body = {
    at: atUs,
    count: event.count ?? 0,
    intent: event.intent ?? 0,
    kind: event.kind,
    method: event.method ?? "",
    outcome: event.outcome ?? "",
    peer: event.peer ?? "",
    prev: head.digest,
    principal: event.principal ?? "",
    seq,
    subject: event.subject ?? {},
  };
  const digest = digestOf(body);
  return { line: canonicalJson(JSON.stringify({ ...body, digest })), seq, digest };
}

/** The entry of a line; undefined when it is none. Says nothing of the chain. */
export function readEntry(line: string): AuditEntry | undefined {
  const parsed = parse(line);
  if (parsed === undefined) return undefined;
  const { digest, ...body } = parsed;
  if (digestOf(body) !== digest) return undefined;
  return canonicalJson(JSON.stringify(parsed)) === line ? parsed : undefined;
}

/** SHA-256 of bytes or text, hex. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function parse(line: string): AuditEntry | undefined {
  try {
    return Entry.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function digestOf(body: object): string {
  return sha256(canonicalJson(JSON.stringify(body)));
}
