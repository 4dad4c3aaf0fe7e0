import { realpathSync, writeSync } from "node:fs";
import { DaemonServiceService } from "@pipekit/proto";
import type { Logger } from "pino";
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
  OrphanWatch,
  releaseMemory,
  type SocketIdentity,
  type StateLock,
  sealSocket,
  writeDaemonInfo,
} from "./lifecycle/index.ts";
import type { RoomContext, Rooms } from "./rooms.ts";
import { type DaemonIdentity, daemonService } from "./rpc/daemon.ts";
import { RpcServer, type ServedService } from "./rpc/server.ts";
import { VERSION } from "./version.ts";

/** How long to wait for another daemon that holds the lock and does not answer yet, milliseconds. */
const PATIENCE_MS = 5000;
const ORPHAN_INTERVAL_MS = 2000;
/** When the start is over and its garbage can go, milliseconds. */
const SETTLED_MS = 3000;
/** The longest time that a timer takes. */
const FOREVER_MS = 2 ** 31 - 1;
/** Limits of the steps of a drain, milliseconds: below 2 s together. */
const LIMITS = { watches: 100, calls: 400, delivery: 500, connections: 100, journal: 700 };

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
  #draining = false;

  constructor(options: HostOptions, lock: StateLock, place: Place) {
    this.#options = options;
    this.#lock = lock;
    this.#place = place;
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
    const rooms = await openRooms({ config, stateFolder, layout, log, draining });
    const { journal, delivery, retention } = rooms;
    const shutdown = (reason: string) => void this.#stop(reason, rooms, server, socket, watches);
    const served = (identity: DaemonIdentity): ServedService[] => {
      const own = { identity, journal, delivery, retention, draining, shutdown, log };
      return [...rooms.services, { definition: DaemonServiceService, implementation: daemonService(own) }];
    };
    const { remote } = config;
    const server = new RpcServer(
      served(this.#identity),
      // Who is on another host finds no staging folder.
      remote && { ...remote, services: served({ ...this.#identity, stagingFolder: "" }) },
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
    const socket = sealSocket(socketPath);
    drainOnSignal(shutdown);
    process.on("uncaughtException", (err) => {
      log.fatal({ err }, "unforeseen failure");
      process.exit(1);
    });
    this.#announce();
    idle.start();
    await orphans.start();
    for (const watch of rooms.watches) await watch.start();
    setTimeout(releaseMemory, SETTLED_MS).unref();
  }

  #announce(): void {
    const { version, endpoint, startedAtUs } = this.#identity;
    const { layout, log } = this.#place;
    writeDaemonInfo(layout.infoFile, { pid: process.pid, endpoint, version, startedAtUs });
    const listen = this.#options.config.remote?.address;
    log.info({ version, endpoint, listen, state: this.#place.stateFolder }, "ready");
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
          name: "connections",
          limitMs: LIMITS.connections + 50,
          // Closing the server removes the file at the path, whoever's it is by now.
          run: () => isOurs(socket) && server.close(LIMITS.connections),
        },
        { name: "journal", limitMs: LIMITS.journal, run: () => rooms.journal.close() },
      ],
      log,
    );
    this.#lock.release();
    log.info({}, "stopped");
    process.exit(0);
  }
}
