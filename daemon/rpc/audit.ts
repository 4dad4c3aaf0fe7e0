/** The audit log in the way of calls: an interceptor that writes, one that counts refusals, and the calls that read. */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  status as Status,
} from "@grpc/grpc-js";
import { type DaemonServiceServer, ERROR_TRAILER, PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import { PRINCIPAL_KEY, principalOf } from "../access/principal.ts";
import { type AuditLog, type Refusals, readAudit, type Subject, verifyAudit } from "../audit/index.ts";
import { askedOf, becameOf, isAudited, runOf, shortMethod } from "./audited.ts";
import { missing, serverStream, statusOf, toPipekitError, unary } from "./calls.ts";

/** Methods that carry starts and ends of runs. */
const RUNS = /\/pipekit\.experiment\.v1\.TrackerService\/(?:StartRun|Log|EndRun)$/;
const REFUSALS = new Set(["UNAUTHENTICATED", "PERMISSION_DENIED", "QUOTA_EXCEEDED"]);

/** `address:port` of who calls; empty on a unix socket. */
export function peerOf(call: { getPeer(): string }): string {
  const peer = call.getPeer();
  return peer === "unknown" ? "" : peer;
}

/** Who wants to know what calls say of their peers. */
interface Peers {
  refused(peer: string): void;
  proved(peer: string, principal: string): void;
}

/** Counts the calls that later interceptors refuse. Must be the first: it throws away what a client says of its principal. */
export function refusalInterceptor(refusals: Refusals, front?: Peers): ServerInterceptor {
  return (method, call) => {
    let known: Metadata | undefined;
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            metadata.remove(PRINCIPAL_KEY);
            known = metadata;
            pass(metadata);
          },
        });
      },
      sendStatus: (status, pass) => {
        const outcome = status.code === Status.OK ? "OK" : outcomeOf(status);
        if (REFUSALS.has(outcome)) {
          const principal = known === undefined ? "" : principalOf(known);
          const address = peerOf(call).replace(/:\d+$/, "");
          refusals.note({ address, principal, method: shortMethod(method.path), outcome });
          if (outcome !== "UNAUTHENTICATED") front?.proved(peerOf(call), principal);
          front?.refused(peerOf(call));
        }
        pass(status);
      },
    });
  };
}

/** Writes what changing calls ask for before they are made, and what became of them before they are answered. */
export function auditInterceptor(audit: AuditLog, log: Logger): ServerInterceptor {
  return (method, call) => {
    if (RUNS.test(method.path)) return noting(audit, log, method.path, call);
    if (!isAudited(method.path)) return new ServerInterceptingCall(call);
    const peer = peerOf(call);
    const about = { peer, method: shortMethod(method.path), principal: "" };
    let intent = 0;
    let became: Subject = {};
    /** How the call ended; empty before that. */
    let outcome = "";
    const write = () => {
      try {
        audit.append({ ...about, kind: "outcome", subject: became, outcome, intent });
      } catch (err) {
        // The deed is done, and its intent is written.
        log.error({ err, intent, outcome }, "the outcome of a call cannot be written to the audit log");
      }
    };
    const finish = (how: string) => {
      if (outcome !== "") return;
      outcome = how;
      if (intent > 0) write();
    };
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            about.principal = principalOf(metadata);
            pass(metadata);
          },
          onReceiveMessage: (message: object, pass) => {
            const subject = intent === 0 ? askedOf(message) : undefined;
            if (subject === undefined) return pass(message);
            audit.appendDurably({ ...about, kind: "intent", subject }).then(
              ({ seq }) => {
                intent = seq;
                // A call that ended meanwhile is not made.
                if (outcome === "") pass(message);
                else write();
              },
              (error: unknown) => call.sendStatus(statusOf(toPipekitError(error, log))),
            );
          },
          onCancel: () => finish("CANCELLED"),
        });
      },
      sendMessage: (message: object, pass) => {
        became = { ...became, ...becameOf(message) };
        pass(message);
      },
      sendStatus: (status, pass) => {
        finish(status.code === Status.OK ? "OK" : outcomeOf(status));
        pass(status);
      },
    });
  };
}

/** Notes starts and ends of runs that come over TCP, once and without waiting for the disk: the journal has them. */
function noting(audit: AuditLog, log: Logger, path: string, call: Parameters<ServerInterceptor>[1]) {
  const peer = peerOf(call);
  if (peer === "") return new ServerInterceptingCall(call);
  let principal = "";
  return new ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMetadata: (metadata, pass) => {
          principal = principalOf(metadata);
          pass(metadata);
        },
        onReceiveMessage: (message: object, pass) => {
          const subject = runOf(message);
          try {
            if (subject !== undefined) {
              audit.append({ kind: "run", peer, principal, method: shortMethod(path), subject });
            }
          } catch (err) {
            log.warn({ err }, "a run's start or end cannot be written to the audit log");
          }
          pass(message);
        },
      });
    },
  });
}

/** ReadAudit and VerifyAudit. */
export function auditCalls(
  audit: AuditLog,
  log: Logger,
): Pick<DaemonServiceServer, "readAudit" | "verifyAudit"> {
  return {
    readAudit: serverStream(log, async function* (request, signal) {
      for (const field of ["afterSeq", "sinceUs", "untilUs", "last"] as const) {
        if (request[field] < 0) throw missing(field);
      }
      for await (const entry of readAudit(audit, request, signal)) yield { entry };
    }),
    verifyAudit: unary(log, async ({ sinceSeq, sinceDigest, headOnly }, signal) => {
      const { seq, digest } = audit.end;
      if (headOnly) return { entries: 0, headSeq: seq, headDigest: digest };
      if (sinceSeq < 0 || (sinceSeq > 0 && !/^[\da-f]{64}$/.test(sinceDigest))) {
        throw new PipekitError("INVALID_ARGUMENT", "since_digest is not the digest of an entry.", {
          field: "since_digest",
          mend: "Give the two words that `pkx audit head` printed, as SEQ:DIGEST.",
        });
      }
      const since = { seq: sinceSeq, digest: sinceDigest };
      const { entries, head } = await verifyAudit(audit, since, signal);
      return { entries, headSeq: head.seq, headDigest: head.digest };
    }),
  };
}

/** Name of a failure, or of the gRPC status when it has none. */
function outcomeOf({
  code,
  details,
  metadata,
}: {
  code?: number;
  details?: string;
  metadata?: unknown;
}): string {
  const trailers = metadata as Metadata | null | undefined;
  if (trailers?.get(ERROR_TRAILER)[0] === undefined) return Status[code ?? Status.UNKNOWN] ?? "UNKNOWN";
  const error = Object.assign(new Error(details), {
    code: code ?? 0,
    details: details ?? "",
    metadata: trailers,
  });
  return PipekitError.fromServiceError(error).code;
}
