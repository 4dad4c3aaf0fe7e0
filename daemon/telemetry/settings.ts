/** Where telemetry goes. */
export interface TelemetrySettings {
  /** Undefined for no page of metrics. */
  readonly metrics: ScrapeSettings | undefined;
  /** Undefined for no export. */
  readonly otlp: OtlpSettings | undefined;
  /** Share of the traces that begin here which are kept, 0 to 1; 0 for no tracing at all. */
  readonly traceRatio: number;
}

/** Where Prometheus finds the metrics. */
export interface ScrapeSettings {
  readonly host: string;
  readonly port: number;
  /** Whether a text is the token; undefined where none is asked for. The file is read anew each time. */
  readonly isToken: ((text: string) => Promise<boolean>) | undefined;
}

/** Where metrics and traces are sent. */
export interface OtlpSettings {
  /** Base address: `/v1/metrics` and `/v1/traces` are put behind it. */
  readonly endpoint: string;
  /** Headers of each request. Files that they are read from are read anew each time. */
  readonly headers: () => Promise<Record<string, string>>;
  /** Between two exports of metrics, milliseconds. */
  readonly intervalMs: number;
}
