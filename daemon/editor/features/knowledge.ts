/** What the features know: indexes of the registries that open files name and of the runs, and word when they change. */
import { PipekitError } from "@pipekit/proto";
import type { RunBrief } from "@pipekit/proto/editor";
import type { ModelIndex, RunIndex, Stop } from "../../view/index.ts";
import { Changes } from "./changes.ts";
import { Denials } from "./denials.ts";
import type { FeatureContext } from "./feature.ts";
import { Settling } from "./settling.ts";

/** A registry in use. */
interface Shelf {
  readonly index: ModelIndex;
  readonly stop: Stop;
  /** Why it could not be read at the last try. */
  fault: PipekitError | undefined;
  reading: boolean;
  /** Milliseconds of the monotonic clock. */
  usedMs: number;
  /** Before that it is not tried again. */
  restsUntil: number;
}

/** A spec that is being typed must not be opened letter by letter. */
const SETTLED_MS = 1500;
const REST_MS = 15_000;
const UNUSED_MS = 600_000;
const MOVES_MS = 250;
/** Runs that train change all the time; lenses and hints that jump are no help. */
const PROGRESS_MS = 1000;

export class Knowledge {
  readonly context: FeatureContext;
  readonly denials: Denials;
  readonly #shelves = new Map<string, Shelf>();
  readonly #settling = new Settling(SETTLED_MS);
  /** Ids and names of runs that were shown since the last word of a change. */
  readonly #shown = new Set<string>();
  readonly #changes: Changes;
  readonly #stops: Stop[];
  readonly #closing = new AbortController();
  #wasAway: boolean;
  #runsRead = false;
  #runsReading = false;

  constructor(context: FeatureContext) {
    this.context = context;
    this.denials = new Denials(context.view);
    this.#wasAway = this.isAway;
    this.#changes = new Changes(() => {
      // Who is asked again says again what is shown.
      this.#shown.clear();
      context.changed();
    });
    this.#stops = [
      context.view.link.onStatus(() => this.#linkMoved()),
      context.view.runs.onChange((runs) => this.#runsMoved(runs)),
    ];
  }

  /** Spec of the registry of a reference: what its file tells, or the editor's setting. */
  registryOf(registry: string | undefined): string {
    return registry ?? this.context.settings.registry;
  }

  /** The index of a registry that a person asks about. Its `filled` tells whether anything is known yet. */
  models(registry: string): ModelIndex {
    return this.#open(registry).index;
  }

  /** The same for what nobody asked for; undefined while the spec may still be being typed. */
  settled(registry: string): ModelIndex | undefined {
    const isOpen = this.#shelves.has(registry) || registry === this.context.settings.registry;
    if (this.#settling.isSettled(registry) || isOpen) return this.#open(registry).index;
    this.#changes.tell(SETTLED_MS);
    return undefined;
  }

  /** Specs of registries that files and settings name. */
  registries(): string[] {
    return [...new Set([this.context.settings.registry, ...this.#shelves.keys()])].filter(
      (spec) => spec !== "",
    );
  }

  /** Why no registry has this spec, whoever asks and whenever; undefined where that is not known. */
  invalidity(registry: string): PipekitError | undefined {
    const fault = this.#shelves.get(registry)?.fault;
    return isInvalid(fault) ? fault : undefined;
  }

  /** The runs; `haveRuns` tells whether all are known. */
  runs(): RunIndex {
    const { runs } = this.context.view;
    if (this.#runsRead || this.#runsReading) return runs;
    this.#runsReading = true;
    runs.ready(this.#closing.signal).then(
      () => {
        this.#runsReading = false;
        this.#runsRead = true;
        this.#changes.tell(MOVES_MS);
      },
      // The link's next status gives the next try.
      () => {
        this.#runsReading = false;
      },
    );
    return runs;
  }

  get haveRuns(): boolean {
    return this.#runsRead;
  }

  /** True when the daemon was looked for and not found; false also while it is looked for. */
  get isAway(): boolean {
    const { state } = this.context.view.link.status;
    return state === "unavailable" || state === "incompatible";
  }

  /** Says that a run, or the runs of a name, are being shown: their changes are told. */
  shows(idOrName: string): void {
    this.#shown.add(idOrName);
  }

  close(): void {
    this.#closing.abort(new Error("The editor was closed."));
    this.#changes.close();
    for (const stop of this.#stops) stop();
    for (const { stop } of this.#shelves.values()) stop();
    this.#shelves.clear();
  }

  #open(registry: string): Shelf {
    const known = this.#shelves.get(registry);
    const shelf = known ?? this.#newShelf(registry);
    shelf.usedMs = performance.now();
    if (!shelf.index.filled && !shelf.reading && performance.now() >= shelf.restsUntil) this.#read(shelf);
    return shelf;
  }

  /** Whoever listens to an index keeps it being read: what no open file names any more is let go. */
  #newShelf(registry: string): Shelf {
    for (const [spec, { stop, usedMs }] of this.#shelves) {
      if (performance.now() - usedMs < UNUSED_MS) continue;
      stop();
      this.#shelves.delete(spec);
    }
    const index = this.context.view.models(registry);
    const stop = index.onChange(() => this.#changes.tell(MOVES_MS));
    const shelf: Shelf = { index, stop, fault: undefined, reading: false, usedMs: 0, restsUntil: 0 };
    this.#shelves.set(registry, shelf);
    return shelf;
  }

  #read(shelf: Shelf): void {
    shelf.reading = true;
    shelf.index.ready(this.#closing.signal).then(
      () => {
        shelf.reading = false;
        shelf.fault = undefined;
        this.#changes.tell(MOVES_MS);
      },
      (error: unknown) => {
        shelf.reading = false;
        shelf.fault = error instanceof PipekitError ? error : undefined;
        if (this.#closing.signal.aborted) return;
        // A daemon that is away tells when it is back; a registry's server does not.
        const isAway =
          shelf.fault?.code === "DAEMON_UNAVAILABLE" || shelf.fault?.code === "PROTOCOL_MISMATCH";
        shelf.restsUntil = isAway ? 0 : performance.now() + REST_MS;
        this.#changes.tell(isInvalid(shelf.fault) ? MOVES_MS : REST_MS);
      },
    );
  }

  /** Only the way from away to there and back counts: each try to connect has states of its own, and answers lead to tries. */
  #linkMoved(): void {
    if (this.isAway === this.#wasAway) return;
    this.#wasAway = this.isAway;
    this.#changes.tell(MOVES_MS);
  }

  #runsMoved(runs: readonly RunBrief[]): void {
    const isShown = ({ runId, name }: RunBrief) => this.#shown.has(runId) || this.#shown.has(name);
    if (runs.some(isShown)) this.#changes.tell(PROGRESS_MS);
  }
}

function isInvalid(fault: PipekitError | undefined): boolean {
  return fault?.code === "INVALID_REGISTRY_SPEC";
}
