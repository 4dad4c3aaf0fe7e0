import { realpathSync, writeSync } from "node:fs";
import { DaemonServiceService, PROTOCOL_MAX } from "@pipekit/proto";
import type { Logger } from "pino";
import { ADMIN } from "./access/index.ts";
import { AuditLog, Refusals, type Subject, verifyNewest } from "./audit/index.ts";
import {
  type Config,
  ensurePrivateFolder,
  type StateLayout,
  socketPathOf,
  stateLayout,
} from "./config/index.ts";
import {
  claimState,
  createLog,
  drain,
  drainOnSignal,
  IdleWatch,
  isOurs,
  limitGarbage,
  makePlace,
  type Newcomer,
  OrphanWatch,
  releaseMemory,
  type SocketIdentity,
  type StateLock,
  sealSocket,
  untilQuiet,
  writeDaemonInfo,
} from "./lifecycle/index.ts";
import type { RoomContext, Rooms } from "./rooms.ts";
import { type DaemonIdentity, daemonService } from "./rpc/daemon.ts";
import { RpcServer, type ServedService } from "./rpc/server.ts";
import type { Telemetry } from "./telemetry/index.ts";
import { VERSION } from "./version.ts";

/** How long to wait for another daemon that holds the lock and does not answer yet, milliseconds. */
const PATIENCE_MS = 5000;
const ORPHAN_INTERVAL_MS = 2000;
/** When the start is over and its garbage can go, milliseconds. */
const SETTLED_MS = 3000;
/** The longest time that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1;
/** Limits of the steps of a drain, milliseconds: below 2 s together. */
const LIMITS = { watches: 100, calls: 400, delivery: 500, telemetry: 20, connections: 100, journal: 700 };
/** The last export of telemetry has this long, milliseconds; connections and journal are closed meanwhile. */
const LAST_EXPORT_MS = 500;

/** How to host a daemon. */
export interface HostOptions {
  readonly config: Config;
  readonly openRooms: (context: RoomContext) => Promise<Rooms>;
  /** File descriptor that gets the line `ready ENDPOINT` once calls are answered. */
  readonly readyFd: number;
  /** Whether that line is `{"ready": ENDPOINT}` instead. */
  readonly json?: boolean;
}

/** A daemon serves in this process, or one runs already (pid 0 when it did not tell). */
export type HostResult =
  | { readonly kind: "serving"; readonly endpoint: string }
  | { readonly kind: "running"; readonly pid: number };

/**
 * Makes this process the daemon of its state folder: folders, lock, rooms, socket, ready. Returns when it serves;
 * the process then ends by signal, Shutdown or idleness. Throws PipekitError when it cannot serve.
 */
export async function hostDaemon(options: HostOptions): Promise<HostResult> {
  const { config } = options;
  // Nothing that the daemon writes is for other users.
  process.umask(0o077);
  ensurePrivateFolder(config.stateFolder);
  ensurePrivateFolder(config.runtimeFolder);
  const stateFolder = realpathSync(config.stateFolder);
  const layout = stateLayout(stateFolder);
  const log = createLog(layout.logFile, config.logLevel);
  try {
    const socketPath = socketPathOf(config.runtimeFolder, stateFolder);
    const claim = await claimState({ ...layout, socketPath, patienceMs: PATIENCE_MS });
    if (claim.kind === "running") {
      log.info({ runningPid: claim.pid }, "already running");
      return claim;
    }
    // Relative paths mean nothing to a daemon, and the folder it was started in must stay removable.
    process.chdir(stateFolder);
    const host = new Host(options, claim.lock, { stateFolder, layout, log, socketPath });
    await host.open();
    return { kind: "serving", endpoint: `unix:${socketPath}` };
  } catch (err) {
    log.fatal({ err }, "cannot start");
    throw err;
  }
}

interface Place {
  readonly stateFolder: string;
  readonly layout: StateLayout;
  readonly log: Logger;
  readonly socketPath: string;
}

/** A daemon that holds its lock. */
class Host {
  readonly #options: HostOptions;
  readonly #place: Place;
  readonly #lock: StateLock;
  readonly #identity: DaemonIdentity;
  readonly #audit: AuditLog;
  readonly #refusals: Refusals;
  #telemetry: Telemetry | undefined;
  #draining = false;

  constructor(options: HostOptions, lock: StateLock, place: Place) {
    this.#options = options;
    this.#lock = lock;
    this.#place = place;
    this.#audit = new AuditLog({ folder: place.layout.auditFolder, log: place.log });
    this.#refusals = new Refusals(this.#audit);
    this.#identity = {
      version: VERSION,
      startedAtUs: Date.now() * 1000,
      stateFolder: place.stateFolder,
      stagingFolder: place.layout.stagingFolder,
      endpoint: `unix:${place.socketPath}`,
      logFile: place.layout.logFile,
      idleExitS: options.config.idleExitS,
    };
  }

  async open(): Promise<void> {
    const { config, openRooms } = this.#options;
    const { stateFolder, layout, log, socketPath } = this.#place;
    const draining = () => this.#draining;
    const telemetry = await this.#openTelemetry();
    this.#telemetry = telemetry;
    const rooms = await openRooms({ config, stateFolder, layout, log, draining, telemetry });
    const { journal, delivery, retention, backups } = rooms;
    const audit = this.#audit;
    const shutdown = (reason: string) => void this.#stop(reason, rooms, server, socket, watches);
    const handOver = (newcomer: Newcomer) =>
      makePlace(newcomer, {
        own: { version: VERSION, protocolMax: PROTOCOL_MAX },
        staysForGood: config.idleExitS === 0,
        draining,
        openCalls: () => server.calls.count,
        livingRuns: () => orphans.living,
        caughtUp: () => orphans.caughtUp(),
        leave: () => shutdown("a newer daemon takes over"),
      });
    const rolesOf = config.remote?.access.rolesOf ?? (() => ADMIN);
    const served = (identity: DaemonIdentity): ServedService[] => {
      const own = {
        identity,
        journal,
        delivery,
        retention,
        backups,
        audit,
        draining,
        rolesOf,
        shutdown,
        handOver,
        log,
      };
      return [...rooms.services, { definition: DaemonServiceService, implementation: daemonService(own) }];
    };
    const { remote } = config;
    const { permission } = rooms;
    const server = new RpcServer(
      served(this.#identity),
      {
        audit,
        refusals: telemetry?.refusals(this.#refusals) ?? this.#refusals,
        log,
        observer: telemetry?.calls,
      },
      // Who is on another host finds no staging folder.
      remote &&
        permission && { ...remote, permission, services: served({ ...this.#identity, stagingFolder: "" }) },
    );
    const graceMs = config.orphanGraceS * 1000;
    const { writers } = rooms;
    const orphans = new OrphanWatch({ journal, writers, graceMs, intervalMs: ORPHAN_INTERVAL_MS, log });
    const idle = new IdleWatch(
      {
        openCalls: () => server.calls.count,
        lastCallMs: () => server.calls.lastMs,
        livingRuns: () => orphans.living,
        delivered: (signal) => delivery.whenDelivered(FOREVER_MS, signal),
      },
      config.idleExitS * 1000,
      () => shutdown("idle"),
    );
    const watches = { idle, orphans };
    await delivery.start();
    await server.listen(socketPath);
    await telemetry?.start(() => server.calls.count);
    const socket = sealSocket(socketPath);
    drainOnSignal(shutdown, config.drainS === 0 ? undefined : (cut) => this.#lastDelivery(rooms, cut));
    process.on("uncaughtException", (err) => {
      log.fatal({ err }, "unforeseen failure");
      process.exit(1);
    });
    this.#announce();
    remote?.access.onChange((change) => this.#note("config", { change }));
    idle.start();
    try {
      await orphans.start();
      for (const watch of rooms.watches) await watch.start();
    } catch (error) {
      // Who was told that it is ready may have stopped it already.
      if (!this.#draining) throw error;
    }
    setTimeout(() => this.#settled(), SETTLED_MS).unref();
  }

  /** Loaded only where somebody wants to know: it costs start time and memory. */
  async #openTelemetry(): Promise<Telemetry | undefined> {
    const settings = this.#options.config.telemetry;
    if (settings === undefined) return undefined;
    const { openTelemetry } = await import("./telemetry/index.ts");
    const { stateFolder, log } = this.#place;
    return openTelemetry(settings, { version: VERSION, stateFolder }, log);
  }

  #settled(): void {
    releaseMemory();
    limitGarbage();
    verifyNewest(this.#audit).catch((error: unknown) => this.#audit.damaged(String(error)));
  }

  #note(kind: "start" | "config" | "stop", subject: Subject): void {
    try {
      this.#audit.append({ kind, subject });
    } catch (err) {
      this.#place.log.error({ err }, "the audit log cannot be written");
    }
  }

  /** Waits for runs and sinks as long as `drain_s` says. Does not reject. */
  async #lastDelivery({ journal, delivery, writers }: Rooms, cut: AbortSignal): Promise<void> {
    const { log, stateFolder } = this.#place;
    const seconds = this.#options.config.drainS;
    log.info({ seconds }, "a signal to stop: waiting for runs and sinks");
    const questions = {
      lookAnew: () => writers.lookAnew(),
      runsRunning: async () => (await journal.totals()).runsRunning,
      delivered: (timeoutMs: number, signal: AbortSignal) => delivery.whenDelivered(timeoutMs, signal),
    };
    try {
      if (await untilQuiet(questions, seconds * 1000, cut)) return;
      const { runsRunning, pointsPending } = await journal.totals();
      log.warn({ seconds, runsRunning, pointsPending }, "stopping before all was delivered");
      const left = `${runsRunning} runs have not ended, ${pointsPending} points are not delivered`;
      process.stderr.write(`pkx serve: ${left}; they stay journaled in ${stateFolder}\n`);
    } catch (err) {
      log.error({ err }, "cannot wait for runs and sinks");
    }
  }

  #announce(): void {
    const { version, endpoint, startedAtUs } = this.#identity;
    const { layout, log } = this.#place;
    writeDaemonInfo(layout.infoFile, { pid: process.pid, endpoint, version, startedAtUs });
    const listen = this.#options.config.remote?.address;
    log.info({ version, endpoint, listen, state: this.#place.stateFolder }, "ready");
    this.#note("start", { version, pid: process.pid, ...(listen === undefined ? {} : { listen }) });
    try {
      const line = this.#options.json ? JSON.stringify({ ready: endpoint }) : `ready ${endpoint}`;
      writeSync(this.#options.readyFd, `${line}\n`);
    } catch {
      // Who wanted to know is gone.
    }
  }

  async #stop(
    reason: string,
    rooms: Rooms,
    server: RpcServer,
    socket: SocketIdentity,
    watches: { readonly idle: IdleWatch; readonly orphans: OrphanWatch },
  ): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const { log } = this.#place;
    log.info({ reason }, "draining");
    watches.idle.stop();
    let lastExport: Promise<void> | undefined;
    await drain(
      [
        {
          name: "watches",
          limitMs: LIMITS.watches,
          run: () => Promise.all([watches.orphans, ...rooms.watches].map((watch) => watch.stop())),
        },
        { name: "calls", limitMs: LIMITS.calls + 50, run: () => server.drain(LIMITS.calls) },
        { name: "delivery", limitMs: LIMITS.delivery + 50, run: () => rooms.delivery.stop(LIMITS.delivery) },
        {
          name: "telemetry",
          limitMs: LIMITS.telemetry,
          run: () => {
            lastExport = this.#telemetry?.end(LAST_EXPORT_MS);
          },
        },
        {
          name: "connections",
          limitMs: LIMITS.connections + 50,
          // Closing the server removes the file at the path, whoever's it is by now.
          run: () => isOurs(socket) && server.close(LIMITS.connections),
        },
        {
          name: "journal",
          limitMs: LIMITS.journal,
          run: () => Promise.all([rooms.journal.close(), lastExport]),
        },
      ],
      log,
    );
    this.#refusals.flush();
    this.#note("stop", { reason });
    this.#lock.release();
    log.info({}, "stopped");
    process.exit(0);
  }
}
