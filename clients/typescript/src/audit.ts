/** The daemon's audit log: who asked for what. */
import type { AuditEntry, VerifyAuditResponse } from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { finite, resuming } from "./streams.ts";

/** Which entries. */
export interface AuditQuery extends CallSettings {
  /** Only those with a larger seq. */
  readonly afterSeq?: number | undefined;
  readonly principal?: string | undefined;
  /** Such as `RegistryService/Tag`, or `Tag`. */
  readonly method?: string | undefined;
  /** From this time on, unix microseconds. */
  readonly sinceUs?: number | undefined;
  /** Before this time, unix microseconds. */
  readonly untilUs?: number | undefined;
  /** Only the last so many. */
  readonly last?: number | undefined;
  /** Go on with what is written from now on. */
  readonly follow?: boolean | undefined;
}

/** Seq and digest of an entry, as somebody keeps them elsewhere. */
export interface AuditHead {
  readonly seq: number;
  readonly digest: string;
}

/** Reads and checks the audit log. Over TCP that is for admins. */
export class AuditCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Entries, oldest first; with `follow` without an end, over restarts of the daemon. Throws PERMISSION_DENIED. */
  async *read(query: AuditQuery = {}): AsyncGenerator<AuditEntry> {
    const { principal = "", method = "", sinceUs = 0, untilUs = 0, last = 0, follow = false, signal } = query;
    let { afterSeq = 0 } = query;
    let told = 0;
    const open = () =>
      this.#connection.services.daemon.readAudit({
        ...{ afterSeq, principal, method, sinceUs, untilUs, follow },
        // Of a stream that is opened anew, all that comes after what was told.
        last: told === 0 ? last : 0,
      });
    const answers = follow
      ? resuming(this.#connection, open, signal)
      : finite(this.#connection, open, signal);
    for await (const { entry } of answers) {
      if (entry === undefined) continue;
      told++;
      afterSeq = Math.max(afterSeq, entry.seq);
      yield entry;
    }
  }

  /** Checks every digest, and that `since` is there. Throws CORRUPT_AUDIT, INVALID_ARGUMENT, PERMISSION_DENIED. */
  verify(since?: AuditHead, { signal }: CallSettings = {}): Promise<VerifyAuditResponse> {
    return this.#verify(
      { sinceSeq: since?.seq ?? 0, sinceDigest: since?.digest ?? "", headOnly: false },
      signal,
    );
  }

  /** The last entry: kept elsewhere it shows whether the log was cut. Throws PERMISSION_DENIED. */
  async head({ signal }: CallSettings = {}): Promise<AuditHead> {
    const request = { sinceSeq: 0, sinceDigest: "", headOnly: true };
    const { headSeq, headDigest } = await this.#verify(request, signal);
    return { seq: headSeq, digest: headDigest };
  }

  #verify(
    request: { readonly sinceSeq: number; readonly sinceDigest: string; readonly headOnly: boolean },
    signal: AbortSignal | undefined,
  ): Promise<VerifyAuditResponse> {
    return this.#connection.call(
      ({ daemon }) => unary(daemon.verifyAudit.bind(daemon), request, { signal }),
      signal,
    );
  }
}
