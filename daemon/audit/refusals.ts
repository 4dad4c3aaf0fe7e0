/**
 * Writes what was refused, so that a flood of refusals cannot fill the disk: of each address and reason one entry at
 * once and one a minute later with how many followed. Beyond so many addresses a minute all others are one.
 */
import type { AuditLog } from "./log.ts";

/** A call or a connection that was refused. */
export interface Refusal {
  /** Address without the port; empty on the socket. */
  readonly address: string;
  /** Empty when it is not known who it was. */
  readonly principal: string;
  /** Such as `RegistryService/Tag`; empty for a connection. */
  readonly method: string;
  /** A failure's name, or why a connection was closed. */
  readonly outcome: string;
}

const WINDOW_MS = 60_000;
/** Entries that a window begins at most. */
const MAX_ENTRIES = 32;
const OTHERS = "others";

export class Refusals {
  readonly #log: Pick<AuditLog, "append">;
  readonly #windowMs: number;
  /** What came after the first of its kind, by address, principal and outcome. */
  readonly #more = new Map<string, { readonly first: Refusal; count: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Pick<AuditLog, "append">, windowMs = WINDOW_MS) {
    this.#log = log;
    this.#windowMs = windowMs;
  }

  /** Notes a refusal. Never throws: what cannot be written is lost. */
  note(refusal: Refusal): void {
    const key = JSON.stringify([refusal.address, refusal.principal, refusal.outcome]);
    const known = this.#more.get(key) ?? (this.#more.size < MAX_ENTRIES ? undefined : this.#more.get(OTHERS));
    if (known !== undefined) {
      known.count++;
      return;
    }
    const isOther = this.#more.size >= MAX_ENTRIES;
    const first = isOther ? { address: OTHERS, principal: "", method: "", outcome: "" } : refusal;
    this.#more.set(isOther ? OTHERS : key, { first, count: isOther ? 1 : 0 });
    if (!isOther) this.#write(first, 1);
    this.#timer ??= setTimeout(() => this.flush(), this.#windowMs).unref();
  }

  /** Writes what has come since the first ones, and begins anew. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const more = [...this.#more.values()];
    this.#more.clear();
    for (const { first, count } of more) if (count > 0) this.#write(first, count);
  }

  #write({ address, ...refusal }: Refusal, count: number): void {
    try {
      this.#log.append({ kind: "refused", ...refusal, peer: address, count });
    } catch {
      // A full disk: the calls were refused all the same.
    }
  }
}
