/** Reads entries, oldest first, and goes on with those that come. */
import type { ReadAuditRequest, AuditEntry as WireEntry } from "@pipekit/proto";
import { type AuditEntry, readEntry } from "./entry.ts";
import { type LogFile, logFiles } from "./files.ts";
import { type Line, linesOf } from "./lines.ts";
import type { AuditLog } from "./log.ts";

/** The entries that a request asks for. Throws faults of the file system. */
export async function* readAudit(
  log: AuditLog,
  request: ReadAuditRequest,
  signal: AbortSignal,
): AsyncGenerator<WireEntry> {
  const bell = new Bell(log, signal);
  try {
    const place = new Place(log, request.afterSeq);
    if (request.last > 0) yield* await lastOf(place.read(request, signal), request.last);
    else yield* place.read(request, signal);
    while (request.follow && !signal.aborted) {
      await bell.rung();
      yield* place.read(request, signal);
    }
  } finally {
    bell.close();
  }
}

/** How far a reader is. */
class Place {
  readonly #log: AuditLog;
  #file: string;
  #at = 0;

  constructor(log: AuditLog, afterSeq: number) {
    this.#log = log;
    // Files that end before are not opened.
    this.#file = logFiles(log.folder).findLast(({ firstSeq }) => firstSeq <= afterSeq + 1)?.name ?? "";
  }

  /** What was written since the last time, and passes. */
  async *read(request: ReadAuditRequest, signal: AbortSignal): AsyncGenerator<WireEntry> {
    const end = this.#log.end;
    for (const file of logFiles(this.#log.folder)) {
      if (file.name < this.#file || (end.file !== "" && file.name > end.file)) continue;
      const from = file.name === this.#file ? this.#at : 0;
      for await (const line of linesOf(file, from, file.name === end.file ? end.length : undefined)) {
        if (signal.aborted) return;
        this.#move(file, line.next);
        const entry = line.text === undefined ? undefined : readEntry(line.text);
        if (entry === undefined) yield unreadable(line);
        else if (passes(entry, request)) yield toWire(entry);
      }
    }
  }

  #move(file: LogFile, at: number): void {
    this.#file = file.name;
    this.#at = at;
  }
}

/** Tells that something was written since the last time. */
class Bell {
  readonly #stop: () => void;
  readonly #signal: AbortSignal;
  #change = Promise.withResolvers<void>();

  constructor(log: AuditLog, signal: AbortSignal) {
    this.#stop = log.onAppend(() => this.#change.resolve());
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort);
  }

  async rung(): Promise<void> {
    if (!this.#signal.aborted) await this.#change.promise;
    this.#change = Promise.withResolvers<void>();
  }

  close(): void {
    this.#stop();
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = () => this.#change.resolve();
}

async function lastOf(entries: AsyncIterable<WireEntry>, count: number): Promise<WireEntry[]> {
  const kept: WireEntry[] = [];
  for await (const entry of entries) {
    kept.push(entry);
    if (kept.length >= 2 * count) kept.splice(0, kept.length - count);
  }
  return kept.slice(-count);
}

function passes(entry: AuditEntry, request: ReadAuditRequest): boolean {
  const { afterSeq, principal, method, sinceUs, untilUs } = request;
  if (entry.seq <= afterSeq) return false;
  if (principal !== "" && entry.principal !== principal) return false;
  if (method !== "" && entry.method !== method && !entry.method.endsWith(`/${method}`)) return false;
  return entry.at >= sinceUs && (untilUs === 0 || entry.at < untilUs);
}

function toWire({ at, intent, subject, ...entry }: AuditEntry): WireEntry {
  return { ...entry, timeUs: at, intentSeq: intent, subjectJson: JSON.stringify(subject) };
}

function unreadable({ file, number }: Line): WireEntry {
  return {
    seq: 0,
    timeUs: 0,
    kind: "unreadable",
    principal: "",
    peer: "",
    method: "",
    subjectJson: JSON.stringify({ file, line: number }),
    outcome: "",
    intentSeq: 0,
    count: 0,
    prev: "",
    digest: "",
  };
}
