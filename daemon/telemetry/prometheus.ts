import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { AggregationTemporality, MetricReader, type ResourceMetrics } from "@opentelemetry/sdk-metrics";

/** A room that takes longer is left out of a reading, milliseconds. */
const PATIENCE_MS = 5000;

/** Words for units, which OpenTelemetry asks to be put behind names for Prometheus; those in braces are left out. */
const SUFFIXES: { readonly [unit: string]: string } = { s: "seconds", By: "bytes" };

/** The metrics as a page of Prometheus's text format 0.0.4. */
export class PrometheusPage extends MetricReader {
  readonly #serializer = new PrometheusSerializer("", false, undefined, false, true);
  #reading: Promise<string> | undefined;

  constructor() {
    super({ aggregationTemporalitySelector: () => AggregationTemporality.CUMULATIVE });
  }

  /** Those who ask at the same time share one reading. */
  text(): Promise<string> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<string> {
    const { resourceMetrics } = await this.collect({ timeoutMillis: PATIENCE_MS });
    return this.#serializer.serialize(withUnits(resourceMetrics)).replace(/\n*$/, "\n");
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/**
 * Names with their units, as a collector gives them to Prometheus, so that queries fit both ways. The serializer of
 * OpenTelemetry for JavaScript leaves them out. See "Prometheus and OpenMetrics Compatibility" of the specification.
 */
function withUnits(metrics: ResourceMetrics): ResourceMetrics {
  const scopeMetrics = metrics.scopeMetrics.map((scope) => ({
    ...scope,
    metrics: scope.metrics.map((metric) => {
      const { name, unit } = metric.descriptor;
      const suffix = SUFFIXES[unit];
      const descriptor = {
        ...metric.descriptor,
        name: suffix === undefined ? name : `${name}.${suffix}`,
        unit: "",
      };
      return { ...metric, descriptor };
    }),
  }));
  return { ...metrics, scopeMetrics };
}
