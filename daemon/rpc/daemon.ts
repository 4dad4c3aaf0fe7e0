import {
  type BackupMade,
  type BackupRequest,
  type BackupResponse,
  type DaemonServiceServer,
  type HandOverRequest,
  PipekitError,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  type PrincipalRole,
  type Progress,
  type StatusResponse,
} from "@pipekit/proto";
import type { Logger } from "pino";
import type { RoleText } from "../access/index.ts";
import type { AuditLog } from "../audit/index.ts";
import type { Journal } from "../journal/journal.ts";
import type { DiskState, Prune, PruneChoice } from "../retention/index.ts";
import { auditCalls } from "./audit.ts";
import { serverStream, unary } from "./calls.ts";
import { telling } from "./progress.ts";

/** What never changes about a running daemon. */
export interface DaemonIdentity {
  readonly version: string;
  readonly startedAtUs: number;
  readonly stateFolder: string;
  readonly stagingFolder: string;
  readonly endpoint: string;
  readonly logFile: string;
  readonly idleExitS: number;
}

/** What the DaemonService works with. */
export interface DaemonServiceOptions {
  readonly identity: DaemonIdentity;
  readonly journal: Pick<Journal, "totals">;
  readonly delivery: {
    /** Resolves when every sink has taken everything, or after the time. */
    whenDelivered(timeoutMs: number, signal: AbortSignal): Promise<unknown>;
  };
  readonly retention: {
    disk(): Promise<DiskState>;
    prune(choice: PruneChoice, signal: AbortSignal): AsyncIterable<Prune>;
  };
  readonly backups: {
    make(
      request: BackupRequest,
      onProgress: (progress: Progress) => void,
      signal: AbortSignal,
    ): Promise<BackupMade>;
  };
  readonly audit: AuditLog;
  readonly draining: () => boolean;
  /** Roles of a principal, or of `socket:USER`. */
  readonly rolesOf: (principal: string) => readonly RoleText[];
  /** Begins the drain; the answer to the caller still goes out. */
  readonly shutdown: (reason: string) => void;
  /** Begins the drain for a newer daemon, unless this one is used or no older. */
  readonly handOver: (
    newcomer: HandOverRequest,
  ) => Promise<
    { readonly leaving: true } | { readonly leaving: false; readonly reason: string; readonly later: boolean }
  >;
  readonly log: Logger;
}

/** The DaemonService: who the daemon is, how it is, and its end. */
export function daemonService(options: DaemonServiceOptions): DaemonServiceServer {
  const { identity, journal, delivery, retention, log } = options;
  return {
    ...auditCalls(options.audit, log),
    hello: unary(log, async ({ client, protocolMin, protocolMax }, _signal, principal) => {
      const protocol = agree(client, protocolMin, protocolMax, identity.version);
      log.debug({ client, protocol }, "hello");
      return {
        protocol,
        daemonVersion: identity.version,
        capabilities: ["resume", "watch_metrics", "hand_over", "groups", "move_id"],
        stateFolder: identity.stateFolder,
        pid: process.pid,
        stagingFolder: identity.stagingFolder,
        principal,
        roles: options.rolesOf(principal).map(toRole),
      };
    }),
    status: unary(log, async (): Promise<StatusResponse> => {
      const [totals, disk] = await Promise.all([journal.totals(), retention.disk()]);
      return {
        diskQuotaBytes: disk.quotaBytes,
        diskUsedBytes: disk.usedBytes,
        diskFreeBytes: disk.freeBytes,
        warnings: [...disk.warnings, ...options.audit.warnings],
        daemonVersion: identity.version,
        pid: process.pid,
        startedAtUs: identity.startedAtUs,
        stateFolder: identity.stateFolder,
        endpoint: identity.endpoint,
        journalBytes: totals.bytes,
        frames: totals.frames,
        points: totals.points,
        runsRunning: totals.runsRunning,
        runs: totals.runs,
        pointsPending: totals.pointsPending,
        deadLetters: totals.deadLetters,
        rssBytes: process.memoryUsage.rss(),
        draining: options.draining(),
        idleExitS: identity.idleExitS,
        logFile: identity.logFile,
      };
    }),
    prune: serverStream(log, async function* (request, signal) {
      if (request.olderThanS < 0) {
        throw new PipekitError("INVALID_ARGUMENT", "older_than_s is negative.", {
          field: "older_than_s",
          mend: "Give seconds, or 0 for any age.",
        });
      }
      yield* retention.prune(request, signal);
    }),
    backup: serverStream(log, async function* (request, signal): AsyncGenerator<BackupResponse> {
      for await (const told of telling((tell) => options.backups.make(request, tell, signal))) {
        yield told.kind === "progress"
          ? { part: { $case: "progress", value: told.progress } }
          : { part: { $case: "made", value: told.answer } };
      }
    }),
    shutdown: unary(log, async ({ waitForDeliveryS }, signal) => {
      if (waitForDeliveryS < 0) {
        throw new PipekitError("INVALID_ARGUMENT", "wait_for_delivery_s is negative.", {
          field: "wait_for_delivery_s",
          mend: "Give seconds, or 0 for not at all.",
        });
      }
      if (waitForDeliveryS > 0) await delivery.whenDelivered(waitForDeliveryS * 1000, signal);
      // Who hung up while it waited no longer wants the daemon stopped.
      signal.throwIfAborted();
      const { pointsPending } = await journal.totals();
      options.shutdown("Shutdown was called");
      return { pointsPending };
    }),
    handOver: unary(log, async (newcomer) => {
      const decision = await options.handOver(newcomer);
      log.info({ newcomer: newcomer.version.slice(0, 100), ...decision }, "asked to hand over");
      return { reason: "", later: false, ...decision };
    }),
  };
}

function toRole({
  role,
  runs = [],
  tags = [],
  registries = [],
  runs_of_others = false,
}: RoleText): PrincipalRole {
  return {
    role,
    runs: [...runs],
    tags: [...tags],
    registries: [...registries],
    runsOfOthers: runs_of_others,
  };
}

/** The newest version that client and daemon both speak; throws PROTOCOL_MISMATCH with what to update. */
function agree(client: string, min: number, max: number, version: string): number {
  const newest = Math.min(max, PROTOCOL_MAX);
  if (min <= max && newest >= Math.max(min, PROTOCOL_MIN)) return newest;
  const who = client === "" ? "The client" : `The client ${client.slice(0, 100)}`;
  const spoken = min === max ? `protocol ${max}` : `protocols ${min} to ${max}`;
  const ours = PROTOCOL_MIN === PROTOCOL_MAX ? `${PROTOCOL_MAX}` : `${PROTOCOL_MIN} to ${PROTOCOL_MAX}`;
  const mend =
    max < PROTOCOL_MIN
      ? "Update the client: pip install -U pipekit-experiment, or npm install @pipekit/experiment@latest."
      : "Stop the older daemon with `pkx stop`; the client then starts the newer one that came with it.";
  const message = `${who} speaks ${spoken}, and this daemon (version ${version}) speaks ${ours}.`;
  throw new PipekitError("PROTOCOL_MISMATCH", message, { field: "protocol_max", mend });
}
