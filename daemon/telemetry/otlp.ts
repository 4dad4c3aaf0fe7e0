import type { Counter } from "@opentelemetry/api";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { PeriodicExportingMetricReader, type PushMetricExporter } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Logger } from "pino";
import type { OtlpConfig } from "../config/index.ts";

/** An export that takes longer, or longer than until the next, has failed, milliseconds. */
const EXPORT_MS = 10_000;
/** Spans that wait for the next export; more are dropped. */
const MAX_SPANS = 2048;

type Signal = "metrics" | "traces";

/**
 * The way to an OTLP collector, by HTTP with protobuf. A collector that is away, hangs or refuses costs the daemon nothing
 * but a line in the log: metrics are cumulative, and the next export tells all; spans wait in a short queue.
 */
export class Otlp {
  readonly #settings: OtlpConfig;
  readonly #log: Logger;
  readonly #faults = new Map<Signal, string>();
  /** Set as soon as there is one. */
  exports: Counter | undefined;

  constructor(settings: OtlpConfig, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Why the last exports failed, one sentence each. */
  get faults(): string[] {
    return [...this.#faults].map(([signal, why]) => `No ${signal} reach the OTLP endpoint: ${why}.`);
  }

  metricReader(): PeriodicExportingMetricReader {
    const { intervalMs } = this.#settings;
    const exporter: PushMetricExporter = new OTLPMetricExporter(this.#request("metrics"));
    this.#listen("metrics", exporter);
    return new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: intervalMs,
      exportTimeoutMillis: this.#timeoutMs,
    });
  }

  spanProcessor(): SpanProcessor {
    const exporter: SpanExporter = new OTLPTraceExporter(this.#request("traces"));
    this.#listen("traces", exporter);
    return new BatchSpanProcessor({
      exporter,
      maxQueueSize: MAX_SPANS,
      exportTimeoutMillis: this.#timeoutMs,
    });
  }

  get #timeoutMs(): number {
    return Math.min(EXPORT_MS, this.#settings.intervalMs);
  }

  #request(signal: Signal) {
    const { endpoint, headers } = this.#settings;
    return { url: `${endpoint}/v1/${signal}`, headers, timeoutMillis: this.#timeoutMs };
  }

  /** Hears how each export ends. */
  #listen<I>(signal: Signal, exporter: { export(items: I, done: (result: Result) => void): void }): void {
    const { export: send } = exporter;
    exporter.export = (items, done) =>
      send.call(exporter, items, (result) => {
        this.#ended(signal, result);
        done(result);
      });
  }

  #ended(signal: Signal, { code, error }: Result): void {
    const failed = code !== 0;
    this.exports?.add(1, { signal, outcome: failed ? "failed" : "ok" });
    const before = this.#faults.get(signal);
    if (!failed) {
      if (this.#faults.delete(signal)) this.#log.info({ signal }, "exports to the OTLP endpoint go on");
      return;
    }
    const why = reasonOf(error);
    this.#faults.set(signal, why);
    if (before !== why) this.#log.warn({ signal, why }, "an export to the OTLP endpoint failed");
  }
}

interface Result {
  readonly code: number;
  readonly error?: Error;
}

/** A code where there is one: a message may hold what a server made up. */
function reasonOf(error: Error | undefined): string {
  const code = error !== undefined && "code" in error ? error.code : undefined;
  if (typeof code === "number") return `it answers with the status ${code}`;
  return typeof code === "string" ? code : (error?.message.slice(0, 100) ?? "unknown error");
}
