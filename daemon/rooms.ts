import { homedir } from "node:os";
import { localRegistry } from "@pipekit/adapters/local";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { PipekitError, RegistryServiceService, TrackerServiceService } from "@pipekit/proto";
import type { Logger } from "pino";
import { type Config, ensurePrivateFolder, type StateLayout } from "./config/index.ts";
import { openContentStore } from "./content/index.ts";
import { createDelivery, type Delivery, type DeliveryOptions } from "./delivery/index.ts";
import { type Journal, openJournal } from "./journal/index.ts";
import { createRegistries } from "./registry/index.ts";
import { registryService } from "./rpc/registry.ts";
import type { ServedService } from "./rpc/server.ts";
import { trackerService } from "./rpc/tracker.ts";

/** What delivery shows to the host. */
export interface HostedDelivery {
  start(): Promise<void> | void;
  /** Stops sending within `deadlineMs`; what is not sent stays journaled. */
  stop(deadlineMs: number): Promise<void>;
  /** Resolves when every sink that is not refused has taken everything, or after the time. */
  whenDelivered(timeoutMs: number, signal: AbortSignal): Promise<unknown>;
}

/** The rooms behind the services. */
export interface Rooms {
  readonly journal: Pick<Journal, "append" | "run" | "runs" | "onCommit" | "totals" | "close">;
  readonly delivery: HostedDelivery;
  readonly services: readonly ServedService[];
}

/** What the rooms get from the host. */
export interface RoomContext {
  readonly config: Config;
  /** Real path of the state folder. */
  readonly stateFolder: string;
  readonly layout: StateLayout;
  readonly log: Logger;
  /** True once the daemon takes no more frames. */
  readonly draining: () => boolean;
}

/** Where a fault test reaches into the rooms. */
export interface RoomSeams extends Pick<DeliveryOptions, "crashpoint" | "limits"> {
  readonly wrapJournal?: (journal: Journal) => Journal;
}

/** Opens every room of the daemon and joins them: the one place that knows them all. */
export async function openRooms(context: RoomContext, seams: RoomSeams = {}): Promise<Rooms> {
  const { config, stateFolder, layout, log, draining } = context;
  ensurePrivateFolder(layout.stagingFolder);
  const { wrapJournal = (journal) => journal, ...deliverySeams } = seams;
  const [journal, content] = await Promise.all([
    openJournal({ stateFolder, log }).then(wrapJournal),
    openContentStore({ stateFolder }),
  ]);
  const registries = createRegistries({
    kinds: [localRegistry],
    defaultSpec: `local:${layout.modelsFolder}`,
    stagingFolder: layout.stagingFolder,
    log,
  });
  const delivery = createDelivery({
    journal,
    content,
    kinds: [mlflowTracker],
    context: {
      env: process.env,
      home: homedir(),
      log: (level, message, fields = {}) => log[level](fields, message),
    },
    log,
    ...deliverySeams,
  });
  checkTrackers(config.trackers, config.configFile, delivery);
  const tracker = trackerService({ journal, content, delivery, trackers: config.trackers, log, draining });
  return {
    journal,
    delivery,
    services: [
      { definition: TrackerServiceService, implementation: tracker },
      { definition: RegistryServiceService, implementation: registryService({ registries, log }) },
    ],
  };
}

/** A wrong spec of a named tracker is better told at the start than to each run that names it. */
function checkTrackers(
  trackers: Readonly<{ [name: string]: readonly string[] }>,
  configFile: string,
  delivery: Pick<Delivery, "canonicalSpecs">,
): void {
  for (const [name, specs] of Object.entries(trackers)) {
    try {
      delivery.canonicalSpecs(specs);
    } catch (cause) {
      if (!(cause instanceof PipekitError)) throw cause;
      const message = `trackers.${name} in ${configFile} is wrong: ${cause.message}`;
      throw new PipekitError("INVALID_DAEMON_CONFIG", message, {
        field: `trackers.${name}`,
        mend: cause.mend,
        cause,
      });
    }
  }
}
