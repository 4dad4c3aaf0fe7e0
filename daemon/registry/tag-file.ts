/**
 * Bytes of a tag (`_tags/<name>.txt`) and of a log entry (`_log/<name>/<n>.json`).
 *
 * Line 1 of a tag is the hash alone, so that `head -1` resolves it, or empty when the tag was deleted; then `seq`, `prev`, `actor`, `time`, `nonce`,
 * `reason`, `principal`, `id` (of the call that moved it, where it had one), one `key: value` a line, with newlines and backslashes
 * of values escaped. The nonce makes each move's bytes unlike any other's: a tag that goes A, B, A has three versions, and a mover
 * whose answer was lost finds its own.
 */
import { isHash, type TagMove } from "@pipekit/proto";
import { z } from "zod";

/** A move with what the registry alone is told. */
export interface LoggedMove extends TagMove {
  readonly nonce: string;
  /** Of the call that made it; empty for one without an id. */
  readonly moveId: string;
}

/** A move as clients see it. */
export function publicMove({ nonce: _, moveId: __, ...move }: LoggedMove): TagMove {
  return move;
}

const logEntry = z.object({
  seq: z.int().positive(),
  /** Empty for the move that deleted the tag. */
  hash: z.string().refine((hash) => hash === "" || isHash(hash)),
  prev: z.string(),
  actor: z.string(),
  time: z.iso.datetime(),
  nonce: z.string(),
  reason: z.string(),
  /** Moves of daemons that did not record it have none. */
  principal: z.string().default(""),
  /** So have moves of calls without an id. */
  id: z.string().optional(),
});
type LogEntry = z.infer<typeof logEntry>;

/** Digits of n in the key of a log entry: byte order is then the order of moves. */
const SEQ_DIGITS = 12;

export const tagKey = (name: string): string => `_tags/${name}.txt`;
export const logKey = (name: string, seq: number): string =>
  `_log/${name}/${String(seq).padStart(SEQ_DIGITS, "0")}.json`;

/** The seq that a key made by logKey ends in. */
export function seqOfLogKey(key: string): number {
  return Number(key.slice(key.lastIndexOf("/") + 1, -".json".length));
}

/** The tag's name in a key made by tagKey. */
export function nameOfTagKey(key: string): string {
  return key.slice("_tags/".length, -".txt".length);
}

export function encodeTag(move: LoggedMove): Buffer {
  const { hash, ...rest } = toEntry(move);
  const keys = (["seq", "prev", "actor", "time", "nonce", "reason", "principal", "id"] as const).filter(
    (key) => rest[key] !== undefined,
  );
  const lines = keys.map((key) => `${key}: ${escapeLine(String(rest[key]))}`);
  return Buffer.from(`${hash}\n${lines.join("\n")}\n`);
}

/** Undefined when the bytes are no tag. */
export function decodeTag(name: string, bytes: Buffer): LoggedMove | undefined {
  const [hash, ...lines] = bytes.toString("utf8").split("\n");
  // Without the last newline the file is cut short.
  if (lines.pop() !== "") return undefined;
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = unescapeLine(line.slice(colon + 2));
  }
  return fromEntry(name, { ...fields, hash, seq: Number(fields["seq"]) });
}

export function encodeLog(move: LoggedMove): Buffer {
  return Buffer.from(`${JSON.stringify(toEntry(move))}\n`);
}

/** Undefined when the bytes are no log entry. */
export function decodeLog(name: string, bytes: Buffer): LoggedMove | undefined {
  try {
    return fromEntry(name, JSON.parse(bytes.toString("utf8")));
  } catch {
    return undefined;
  }
}

function toEntry(move: LoggedMove): LogEntry {
  return {
    seq: move.seq,
    hash: move.hash,
    prev: move.previousHash,
    actor: move.actor,
    time: new Date(move.atUs / 1000).toISOString(),
    nonce: move.nonce,
    reason: move.reason,
    principal: move.principal,
    ...(move.moveId === "" ? {} : { id: move.moveId }),
  };
}

function fromEntry(name: string, entry: unknown): LoggedMove | undefined {
  const parsed = logEntry.safeParse(entry);
  if (!parsed.success) return undefined;
  const { prev, time, id = "", ...move } = parsed.data;
  const atUs = Date.parse(time) * 1000;
  // No daemon wrote a time that does not fit, and no client can be told it.
  return Number.isSafeInteger(atUs) ? { name, ...move, previousHash: prev, atUs, moveId: id } : undefined;
}

function escapeLine(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
}

function unescapeLine(text: string): string {
  return text.replace(/\\([\\nr])/g, (_, char: string) => (char === "n" ? "\n" : char === "r" ? "\r" : "\\"));
}
