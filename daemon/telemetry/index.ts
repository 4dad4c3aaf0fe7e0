/**
 * Telemetry: what an operator sees of the daemon, as OpenTelemetry metrics and traces, and as a page for Prometheus.
 *
 * Architecture Invariant: nothing of this is loaded, and nothing is measured, unless the config asks for it.
 * Architecture Invariant: telemetry never delays or fails what it looks at; where it cannot go, the daemon goes on without.
 */
export { METRICS, type Metric } from "./catalogue.ts";
export type { Sources } from "./rooms.ts";
export { openTelemetry, type Telemetry } from "./telemetry.ts";
