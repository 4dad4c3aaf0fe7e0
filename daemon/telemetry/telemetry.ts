import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { ServerInterceptor } from "@grpc/grpc-js";
import type { Meter } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import type { TelemetryConfig } from "../config/index.ts";
import type { DeliveryObserver } from "../delivery/index.ts";
import type { CommittedGroup, Journal } from "../journal/index.ts";
import { callObserver } from "./calls.ts";
import { deliveryObserver } from "./delivery.ts";
import { type Instruments, instrumentsOf } from "./instruments.ts";
import { groupObserver, observedJournal } from "./journal.ts";
import { withMembers } from "./members.ts";
import { Otlp } from "./otlp.ts";
import { ProcessFigures } from "./process.ts";
import { PrometheusPage } from "./prometheus.ts";
import { observedRegistries } from "./registry.ts";
import { registerRooms, type Sources } from "./rooms.ts";
import { ScrapeServer } from "./scrape-server.ts";
import { Tracing } from "./tracing.ts";

const SCOPE = "pipekit-experiment";

/** Who the daemon is. */
export interface TelemetryIdentity {
  readonly version: string;
  readonly stateFolder: string;
}

/** Makes the telemetry of a daemon. Nothing listens or is sent before `start`. */
export function openTelemetry(
  settings: TelemetryConfig,
  identity: TelemetryIdentity,
  log: Logger,
): Telemetry {
  return new Telemetry(settings, identity, log);
}

/** What looks at the rooms of a daemon, and tells. */
export class Telemetry {
  readonly #instruments: Instruments;
  readonly #meter: Meter;
  readonly #tracing: Tracing | undefined;
  readonly #process: ProcessFigures;
  readonly #otlp: Otlp | undefined;
  readonly #server: ScrapeServer | undefined;
  readonly #meters: MeterProvider;
  readonly #tracers: TracerProvider | undefined;
  /** For the server of calls: must be its first. */
  readonly calls: ServerInterceptor;
  readonly delivery: DeliveryObserver;
  readonly onGroup: (group: CommittedGroup) => void;

  constructor({ metrics, otlp, traceRatio }: TelemetryConfig, identity: TelemetryIdentity, log: Logger) {
    this.#otlp = otlp && new Otlp(otlp, log);
    const resource = resourceFromAttributes(attributesOf(identity));
    const page = metrics && new PrometheusPage();
    this.#server = metrics && page && new ScrapeServer(metrics, () => page.text(), log);
    const readers = [page, this.#otlp?.metricReader()].filter((reader) => reader !== undefined);
    this.#meters = new MeterProvider({ resource, readers });
    this.#meter = this.#meters.getMeter(SCOPE, identity.version);
    this.#instruments = instrumentsOf(this.#meter);
    if (this.#otlp !== undefined) this.#otlp.exports = this.#instruments.exports;
    if (this.#otlp !== undefined && traceRatio > 0) {
      // Who traces already decides for what he calls.
      const sampler = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(traceRatio) });
      const spanProcessors = [this.#otlp.spanProcessor()];
      this.#tracers = new TracerProvider({ resource, sampler, spanProcessors });
      this.#tracing = new Tracing(this.#tracers.getTracer(SCOPE, identity.version));
    }
    this.#process = new ProcessFigures(identity.version);
    this.#process.register(this.#meter, this.#instruments);
    this.calls = callObserver(this.#instruments.rpcTime, this.#tracing);
    this.delivery = deliveryObserver(this.#instruments, this.#tracing);
    this.onGroup = groupObserver(this.#instruments);
  }

  /** The same journal, whose appends are measured. */
  journal(journal: Journal): Journal {
    return observedJournal(journal, this.#instruments);
  }

  /** The same registries, whose operations are measured. */
  registries<R extends Parameters<typeof observedRegistries>[0]>(registries: R): R {
    return observedRegistries(registries, this.#instruments, this.#tracing);
  }

  /** The same notebook of refusals, whose entries are counted. */
  refusals<R extends { note(refusal: Refusal): void }, Refusal extends { readonly outcome: string }>(
    refusals: R & { note(refusal: Refusal): void },
  ): R {
    const note = (refusal: Refusal): void => {
      this.#instruments.refusals.add(1, { outcome: refusal.outcome });
      refusals.note(refusal);
    };
    return withMembers<R>(refusals, { note } as unknown as Partial<R>);
  }

  /** Counts a frame of a process that died, once it is known what became of it. */
  drained(frame: Promise<{ readonly rejection?: unknown }>): void {
    const count = (outcome: string) => this.#instruments.drainedFrames.add(1, { outcome });
    frame.then(
      ({ rejection }) => count(rejection === undefined ? "taken" : "refused"),
      () => count("failed"),
    );
  }

  /** Asks the rooms at each reading. */
  watch(sources: Sources): void {
    registerRooms(this.#meter, this.#instruments, sources);
  }

  /** Begins to tell. `openCalls` says how many calls are open. */
  async start(openCalls: () => number): Promise<void> {
    this.#instruments.openCalls.addCallback((result) => result.observe(openCalls()));
    await this.#server?.listen();
  }

  /** What a person should look at, one sentence each. */
  warnings(): string[] {
    const unread = this.#server?.fault;
    return [...(unread === undefined ? [] : [unread]), ...(this.#otlp?.faults ?? [])];
  }

  /** Sends what there is, once more, and ends, within `limitMs`. The rooms must still answer when it is called. */
  async end(limitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
    });
    // Why it failed is told by then.
    const sent = Promise.allSettled([this.#meters.forceFlush(), this.#tracers?.forceFlush()]);
    await Promise.race([sent, late]);
    clearTimeout(timer);
    this.#process.stop();
    this.#server?.close();
  }
}

/** By the semantic conventions of resources. The instance is named as its socket is: it stays the same over restarts. */
function attributesOf({ version, stateFolder }: TelemetryIdentity) {
  return {
    "service.name": SCOPE,
    "service.version": version,
    "service.instance.id": createHash("sha256").update(stateFolder).digest("hex").slice(0, 16),
    "host.name": hostname(),
  };
}
