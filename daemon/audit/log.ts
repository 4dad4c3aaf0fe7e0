/**
 * The audit log of a state folder: who asked for what, and what became of it.
 *
 * Architecture Invariant: a call that may change something is made only after its intent is on the disk, and answered only
 * after its outcome is written; a log that cannot be written stops such calls, and nothing else.
 */
import { mkdirSync } from "node:fs";
import { PipekitError } from "@pipekit/proto";
import { type AuditEvent, type Head, NO_HEAD, seal } from "./entry.ts";
import { GrowingFile } from "./file.ts";
import { logFile } from "./files.ts";
import { tailOf } from "./tail.ts";

/** How large a file of the log grows, bytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

interface Notes {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How to keep an audit log. */
export interface AuditLogOptions {
  readonly folder: string;
  readonly log: Notes;
  readonly maxFileBytes?: number;
}

/** Where the log ends: what a reader may read up to. */
export interface End extends Head {
  /** Name of the file that grows; empty before the first entry. */
  readonly file: string;
  /** Its length, bytes. */
  readonly length: number;
}

export class AuditLog {
  readonly folder: string;
  readonly #options: AuditLogOptions;
  readonly #listeners = new Set<() => void>();
  #file: GrowingFile | undefined;
  #head: Head = NO_HEAD;
  #opened = false;
  #damage = "";

  constructor(options: AuditLogOptions) {
    this.folder = options.folder;
    this.#options = options;
  }

  get end(): End {
    return { ...this.#head, file: this.#file?.name ?? "", length: this.#file?.length ?? 0 };
  }

  /** Whether someone changed the file that grows behind the daemon's back. */
  get isForeign(): boolean {
    return this.#file?.isForeign ?? false;
  }

  /** What a person should look at: one sentence each. */
  get warnings(): string[] {
    return this.#damage === "" ? [] : [`The audit log is damaged: ${this.#damage} See \`pkx audit verify\`.`];
  }

  /** Tells damage that was found, in the daemon's log and in its warnings. */
  damaged(what: string): void {
    this.#damage = what;
    this.#options.log.error(
      { folder: this.folder, code: "CORRUPT_AUDIT" },
      `the audit log is damaged: ${what}`,
    );
  }

  /** Writes an entry, which outlives the process. Throws STORAGE_FULL; then nothing is written. */
  append(event: AuditEvent): Head {
    try {
      this.#open();
      return this.#write(event);
    } catch (cause) {
      // Looked at anew the next time, whatever was left.
      this.#close();
      throw unwritable(this.folder, cause);
    }
  }

  /** The same, and on the disk when it resolves. */
  async appendDurably(event: AuditEvent): Promise<Head> {
    const head = this.append(event);
    try {
      await this.#file?.sync();
    } catch (cause) {
      throw unwritable(this.folder, cause);
    }
    return head;
  }

  /** Calls back after each entry; returns what ends that. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#close();
  }

  #write(event: AuditEvent): Head {
    const { maxFileBytes = MAX_FILE_BYTES } = this.#options;
    if (this.#file !== undefined && this.#file.length >= maxFileBytes) this.#dropFile();
    const { line, seq, digest } = seal(event, this.#head, Date.now() * 1000);
    this.#file ??= new GrowingFile(logFile(this.folder, seq), 0);
    this.#file.write(line);
    this.#head = { seq, digest };
    for (const listener of this.#listeners) listener();
    return this.#head;
  }

  /** Opens the log at its end, mends that, and sees that nobody else writes there. */
  #open(): void {
    if (this.isForeign) {
      this.damaged(`the file ${this.end.file} was changed or removed while the daemon wrote it.`);
      this.#dropFile();
    }
    if (this.#opened) return;
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const { head, file, length, torn, damaged } = tailOf(this.folder);
    // What this process wrote is remembered: a log that lost it is not gone on with as if it had never been.
    const lost = head.seq < this.#head.seq;
    if (!lost) this.#head = head;
    this.#file = file === undefined || lost ? undefined : new GrowingFile(file, length);
    this.#opened = true;
    if (torn > 0) this.#write({ kind: "mended", subject: { file: file?.name ?? "", bytes: torn } });
    if (damaged !== "") {
      this.#write({ kind: "damaged", subject: { file: damaged } });
      this.damaged(`the last line of ${damaged} is no entry.`);
    }
  }

  #dropFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #close(): void {
    this.#dropFile();
    this.#opened = false;
  }
}

function unwritable(folder: string, cause: unknown): PipekitError {
  if (!(cause instanceof Error && "code" in cause)) throw cause;
  return new PipekitError("STORAGE_FULL", `The audit log cannot be written (${String(cause.code)}).`, {
    field: folder,
    mend: "Free disk space, or mend the folder: what must be audited is not done before that. Logging goes on.",
    cause,
  });
}
