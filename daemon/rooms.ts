import { homedir } from "node:os";
import type { ConfigReader } from "@pipekit/adapters/config";
import type { DatasetContext, DatasetTool } from "@pipekit/adapters/dataset";
import { localRegistry } from "@pipekit/adapters/local";
import { mlflowHistory, mlflowRegistry } from "@pipekit/adapters/mlflow";
import { neptuneHistory } from "@pipekit/adapters/neptune";
import { s3Registry } from "@pipekit/adapters/s3";
import { tensorboardHistory } from "@pipekit/adapters/tensorboard";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import { wandbHistory } from "@pipekit/adapters/wandb";
import {
  ConfigServiceService,
  DatasetServiceService,
  RegistryServiceService,
  TrackerServiceService,
} from "@pipekit/proto";
import type { Logger } from "pino";
import { OWNER_TAG, Permission } from "./access/index.ts";
import { LostNotes } from "./backup/lost-notes.ts";
import { readRestored, removeLinks } from "./backup/marks.ts";
import { type HostedBackups, hostedBackups } from "./backups.ts";
import { type Config, ensurePrivateFolder, type StateLayout, socketPathOf } from "./config/index.ts";
import { openContentStore } from "./content/index.ts";
import { createDelivery, type DeliveryOptions } from "./delivery/index.ts";
import { openForwarding, withForwarding } from "./forwarding.ts";
import { type Journal, openForeignJournal, openJournal } from "./journal/index.ts";
import { isProcessGone, processMark, type RunWriters, thisMachine } from "./lifecycle/index.ts";
import { createRegistries } from "./registry/index.ts";
import {
  AutoPrune,
  type DiskState,
  DiskWatch,
  type Prune,
  type PruneChoice,
  prunes,
} from "./retention/index.ts";
import { configService } from "./rpc/config.ts";
import { datasetService } from "./rpc/dataset.ts";
import { Intake } from "./rpc/intake.ts";
import { registryService } from "./rpc/registry.ts";
import type { ServedService } from "./rpc/server.ts";
import { trackerService } from "./rpc/tracker.ts";
import { SpoolDrain } from "./spool/index.ts";
import { SystemWatch } from "./system/index.ts";
import type { Telemetry } from "./telemetry/index.ts";
import { checkTrackers, TRACKER_KINDS } from "./trackers.ts";

/** What delivery shows to the host. */
export interface HostedDelivery {
  start(): Promise<void> | void;
  /** Stops sending within `deadlineMs`; what is not sent stays journaled. */
  stop(deadlineMs: number): Promise<void>;
  /** Resolves when every sink that is not refused has taken everything, or after the time. */
  whenDelivered(timeoutMs: number, signal: AbortSignal): Promise<unknown>;
}

/** What the daemon tells of its disk, and how it makes room. */
export interface HostedRetention {
  disk(): Promise<DiskState>;
  prune(choice: PruneChoice, signal: AbortSignal): AsyncIterable<Prune>;
}

/** How soon the death of a writer is seen, milliseconds. */
const WRITERS_INTERVAL_MS = 1000;

/** What goes on beside the calls. */
export interface Watch {
  start(): Promise<void> | void;
  /** Resolves when it does nothing more. */
  stop(): Promise<void> | void;
}

/** The rooms behind the services. */
export interface Rooms {
  readonly journal: Pick<
    Journal,
    "append" | "run" | "runs" | "members" | "onCommit" | "onResume" | "totals" | "close"
  >;
  readonly delivery: HostedDelivery;
  readonly retention: HostedRetention;
  readonly backups: HostedBackups;
  readonly writers: RunWriters;
  readonly watches: readonly Watch[];
  readonly services: readonly ServedService[];
  /** What callers over TCP may do; undefined when the daemon does not listen there. */
  readonly permission?: Permission | undefined;
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
  /** What looks at the rooms; undefined where nobody wants to know. */
  readonly telemetry?: Telemetry | undefined;
}

/** Where a fault test reaches into the rooms. */
export interface RoomSeams extends Pick<DeliveryOptions, "crashpoint" | "limits"> {
  readonly wrapJournal?: (journal: Journal) => Journal;
}

/** Opens every room of the daemon and joins them: the one place that knows them all. */
export async function openRooms(context: RoomContext, seams: RoomSeams = {}): Promise<Rooms> {
  const { config, stateFolder, layout, log, draining, telemetry } = context;
  const restored = readRestored(stateFolder);
  removeLinks(stateFolder);
  ensurePrivateFolder(layout.stagingFolder);
  const lost = restored && new LostNotes(restored, log);
  const { wrapJournal = (journal) => journal, ...deliverySeams } = seams;
  const [journal, content] = await Promise.all([
    openJournal({
      ...{ stateFolder, log },
      ...(telemetry && { onGroup: telemetry.onGroup }),
      restored: restored && { atUs: restored.at_us, onGap: (gap) => void lost?.tell(journal, gap) },
    }).then(wrapJournal),
    openContentStore({ stateFolder }),
  ]);
  const registries = createRegistries({
    kinds: [localRegistry, s3Registry, mlflowRegistry],
    defaultSpec: `local:${layout.modelsFolder}`,
    stagingFolder: layout.stagingFolder,
    cacheFolder: layout.cacheFolder,
    cacheBytes: config.cacheBytes,
    boot: thisMachine().boot,
    env: process.env,
    log,
    seams: { processes: { mark: processMark(), isGone: isProcessGone } },
  });
  const adapterContext: AdapterContext = {
    env: process.env,
    home: homedir(),
    log: (level, message, fields = {}) => log[level](fields, message),
  };
  const delivery = createDelivery({
    journal,
    content,
    kinds: TRACKER_KINDS,
    context: adapterContext,
    log,
    observer: telemetry?.delivery,
    withheld: restored?.delivers === false,
    ...deliverySeams,
  });
  const disk = new DiskWatch({
    stateFolder,
    spoolFolder: layout.spoolFolder,
    quotaBytes: config.diskQuotaBytes,
    content,
    log,
  });
  const admit = () => disk.admit();
  const upTo = () => fanIn?.publishedTo ?? Number.POSITIVE_INFINITY;
  const pruneParts = { journal, content, upTo, onFreed: () => disk.forget() };
  checkTrackers(config.trackers, config.configFile, (specs) => delivery.canonicalSpecs(specs));
  const intakeOptions = {
    journal: telemetry?.journal(journal) ?? journal,
    content,
    delivery,
    trackers: config.trackers,
    log,
    admit,
    draining,
    forwards: config.bridge !== undefined,
  };
  const intake = new Intake(intakeOptions);
  const fanIn = await openForwarding({ config, stateFolder, journal, content, intake, log });
  const writers = new SpoolDrain({
    ringsFolder: socketPathOf(config.runtimeFolder, stateFolder).replace(/sock$/, "rings"),
    spoolFolder: layout.spoolFolder,
    lastSeq: (writerId) => journal.lastSeq(writerId),
    append: (frame, signal) => {
      const turn = intake.begin(frame, signal);
      telemetry?.drained(turn.result);
      return turn;
    },
    onLost: lost && ((frames) => lost.tell(journal, frames)),
    intervalMs: WRITERS_INTERVAL_MS,
    log,
  });
  telemetry?.watch({
    journal,
    disk: () => disk.state(),
    endpoints: () => delivery.endpoints(),
    cacheUses: () => registries.cacheUses,
  });
  const access = config.remote?.access;
  const permission =
    access &&
    new Permission(access.grantsOf, {
      run: async (id) => {
        const { runId, start } = await journal.run(id);
        return { runId, name: start.name, owner: start.tags[OWNER_TAG] ?? "" };
      },
      registry: (spec) => registries.canonical(spec),
    });
  const tracker = trackerService({
    ...(permission && { admitFrame: (principal, frame) => permission.frame(principal, frame) }),
    ...intakeOptions,
    takeLeftovers: () => writers.lookAnew(),
    foreign: { ownFolder: stateFolder, open: (file) => openForeignJournal(file, log) },
    sources: {
      kinds: [mlflowHistory, wandbHistory, neptuneHistory, tensorboardHistory],
      context: adapterContext,
    },
  });
  const datasets = lazyDatasets({
    env: process.env,
    home: homedir(),
    cacheFolder: layout.cacheFolder,
    note: (sentence) => log.warn({}, sentence),
  });
  return {
    journal,
    delivery: withForwarding(delivery, fanIn),
    retention: {
      disk: async () => {
        const state = await disk.state();
        return {
          ...state,
          warnings: [
            ...state.warnings,
            ...(access?.warnings ?? []),
            ...(telemetry?.warnings() ?? []),
            ...(fanIn?.warnings() ?? []),
            ...(lost?.warnings ?? []),
          ],
        };
      },
      prune: (choice, signal) => prunes(pruneParts, choice, signal),
    },
    backups: hostedBackups({
      ...{ stateFolder, content, log },
      ...{ modelsFolder: layout.modelsFolder, configFile: config.configFile },
    }),
    writers,
    permission,
    watches: [
      ...(access === undefined ? [] : [{ start: () => access.start(log), stop: () => access.stop() }]),
      writers,
      disk,
      new AutoPrune(pruneParts, config.pruneAfterDays, log),
      new SystemWatch({ journal, admit, log }),
      ...(fanIn === undefined ? [] : [fanIn]),
    ],
    services: [
      { definition: TrackerServiceService, implementation: tracker },
      {
        definition: RegistryServiceService,
        implementation: registryService({ registries: telemetry?.registries(registries) ?? registries, log }),
      },
      { definition: ConfigServiceService, implementation: configService({ reader: configReader, log }) },
      { definition: DatasetServiceService, implementation: datasetService({ datasets, log }) },
    ],
  };
}

/** Loaded when a config is first read: most daemons never do. */
const configReader: ConfigReader = {
  parse: async (config, signal) =>
    (await import("@pipekit/adapters/hydra")).hydraReader.parse(config, signal),
  readRun: async (run, signal) => (await import("@pipekit/adapters/hydra")).hydraReader.readRun(run, signal),
};

/** Likewise loaded when a data set is first spoken of. */
function lazyDatasets(context: DatasetContext): DatasetTool {
  let loading: Promise<DatasetTool> | undefined;
  const tool = (): Promise<DatasetTool> => {
    loading ??= import("@pipekit/adapters/dvc").then(({ dvcDatasets }) => dvcDatasets(context));
    return loading;
  };
  return {
    open: async (folder) => (await tool()).open(folder),
    hash: async (path, work) => (await tool()).hash(path, work),
  };
}
