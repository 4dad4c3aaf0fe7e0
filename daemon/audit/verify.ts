/** Checks that the log is as it was written: every digest, the chain, and what somebody kept of it elsewhere. */
import { PipekitError } from "@pipekit/proto";
import { type Head, NO_HEAD, readEntry } from "./entry.ts";
import { type LogFile, logFiles } from "./files.ts";
import { type Line, linesOf } from "./lines.ts";
import type { AuditLog } from "./log.ts";

/** What was checked. */
export interface Verified {
  readonly entries: number;
  readonly head: Head;
}

/**
 * Reads the log up to where it ends now. `since` is an entry that was kept elsewhere: it must be there, or be the one before
 * the first. Throws CORRUPT_AUDIT that names file and line, INVALID_ARGUMENT.
 */
export async function verifyAudit(
  log: Pick<AuditLog, "folder" | "end" | "isForeign">,
  since: Head = NO_HEAD,
  signal?: AbortSignal,
): Promise<Verified> {
  const { seq, digest, file: lastName, length } = log.end;
  if (log.isForeign) throw corrupt(lastName, "was changed or removed while the daemon wrote it.");
  const files = logFiles(log.folder);
  const chain = new Chain(firstBase(files, since), since);
  for (const file of files) {
    const to = file.name === lastName ? length : undefined;
    await checkFile(chain, file, to, signal);
  }
  // What this daemon wrote itself it need not be told.
  if (seq > 0 && (chain.head.seq !== seq || chain.head.digest !== digest)) {
    throw corrupt("", `The log ends with entry ${chain.head.seq}, and the daemon wrote ${seq}.`);
  }
  chain.finish();
  return { entries: chain.entries, head: chain.head };
}

/** Checks the newest file alone, for a look at the start. Throws CORRUPT_AUDIT. */
export async function verifyNewest(log: Pick<AuditLog, "folder" | "end">): Promise<void> {
  const { file: name, length } = log.end;
  const file = logFiles(log.folder).find((each) => each.name === name);
  if (file !== undefined) await checkFile(new Chain(undefined, NO_HEAD), file, length);
}

/** The entry before the first: none, unless older files were put away and the caller knows where they ended. */
function firstBase(files: readonly LogFile[], since: Head): Head {
  return since.seq > 0 && files[0]?.firstSeq === since.seq + 1 ? since : NO_HEAD;
}

async function checkFile(chain: Chain, file: LogFile, to?: number, signal?: AbortSignal): Promise<void> {
  let first = true;
  for await (const line of linesOf(file, 0, to)) {
    signal?.throwIfAborted();
    chain.take(line, first ? file.firstSeq : undefined);
    first = false;
  }
}

/** The chain as far as it was followed. */
class Chain {
  readonly #since: Head;
  #head: Head | undefined;
  #entries = 0;
  #met: boolean;

  /** `base` is the entry before the first; undefined when any will do. */
  constructor(base: Head | undefined, since: Head) {
    this.#head = base;
    this.#since = since;
    this.#met = since.seq === 0 || base?.seq === since.seq;
  }

  get head(): Head {
    return this.#head ?? NO_HEAD;
  }

  get entries(): number {
    return this.#entries;
  }

  take({ file, number, text }: Line, namedSeq?: number): void {
    const place = `${file}, line ${number}`;
    const entry = text === undefined ? undefined : readEntry(text);
    if (entry === undefined) throw corrupt(place, "is not an entry as it was written.");
    const { seq, digest, prev } = entry;
    const before = this.#head ?? { seq: seq - 1, digest: prev };
    if (namedSeq !== undefined && namedSeq !== seq) {
      throw corrupt(place, `is entry ${seq}, and the file's name says ${namedSeq}.`);
    }
    if (seq !== before.seq + 1) throw corrupt(place, `is entry ${seq}, and ${before.seq + 1} was to come.`);
    if (prev !== before.digest) throw corrupt(place, `does not follow on the entry before, ${before.seq}.`);
    if (seq === this.#since.seq) {
      if (digest !== this.#since.digest) throw corrupt(place, "is another entry than the one that was kept.");
      this.#met = true;
    }
    this.#head = { seq, digest };
    this.#entries++;
  }

  finish(): void {
    if (this.#met) return;
    throw corrupt("", `The log ends with entry ${this.head.seq}, and ${this.#since.seq} was kept.`);
  }
}

function corrupt(place: string, what: string): PipekitError {
  return new PipekitError("CORRUPT_AUDIT", place === "" ? what : `${place} of the audit log ${what}`, {
    field: place,
    mend: "Compare with a copy that was kept elsewhere; the daemon serves on, and what it writes from now on is chained.",
  });
}
