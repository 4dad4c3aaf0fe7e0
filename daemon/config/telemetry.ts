/** What the daemon needs to show its metrics and to send metrics and traces: addresses, and where secrets are. */
import { readFile } from "node:fs/promises";
import { parseReference } from "@pipekit/adapters/secret";
import type { PipekitError } from "@pipekit/proto";
import { invalid, isSameToken, readSecretFile } from "../access/index.ts";
import type { Env } from "./folders.ts";
import { readAddress } from "./remote.ts";

/** The settings, as they stand in the config. */
export interface TelemetryEntries {
  readonly metrics_listen?: string | undefined;
  readonly metrics_token_file?: string | undefined;
  readonly otlp_endpoint?: string | undefined;
  readonly otlp_headers?: Readonly<{ [name: string]: string }> | undefined;
  readonly otlp_interval_s?: number | undefined;
  readonly trace_ratio?: number | undefined;
}

/** Where telemetry goes. No secret is kept: files are read anew each time, so that they can be rotated. */
export interface TelemetryConfig {
  /** Undefined for no page of metrics. */
  readonly metrics: ScrapeConfig | undefined;
  /** Undefined for no export. */
  readonly otlp: OtlpConfig | undefined;
  /** Share of the traces that begin here which are kept, 0 to 1; 0 for no tracing at all. */
  readonly traceRatio: number;
}

/** Where Prometheus finds the metrics. */
export interface ScrapeConfig {
  readonly host: string;
  readonly port: number;
  /** Whether a text is the token; undefined where none is asked for. */
  readonly isToken: ((text: string) => Promise<boolean>) | undefined;
}

/** Where metrics and traces are sent. */
export interface OtlpConfig {
  /** Base address: `/v1/metrics` and `/v1/traces` are put behind it. */
  readonly endpoint: string;
  /** Headers of each request. */
  readonly headers: () => Promise<Record<string, string>>;
  /** Between two exports of metrics, milliseconds. */
  readonly intervalMs: number;
}

const DEFAULT_INTERVAL_S = 60;
/** A name of a header, by RFC 9110. */
const HEADER = /^[\w!#$%&'*+.^`|~-]+$/;

/** Reads the settings; undefined when nothing is asked for. Throws PipekitError INVALID_DAEMON_CONFIG that names the setting. */
export function readTelemetry(settings: TelemetryEntries, env: Env): TelemetryConfig | undefined {
  const { metrics_listen, metrics_token_file, otlp_endpoint, otlp_headers, otlp_interval_s } = settings;
  const traceRatio = settings.trace_ratio ?? 0;
  if (metrics_listen === undefined && metrics_token_file !== undefined)
    throw without("metrics_token_file", "metrics_listen");
  if (otlp_endpoint === undefined) {
    if (otlp_headers !== undefined) throw without("otlp_headers", "otlp_endpoint");
    if (otlp_interval_s !== undefined) throw without("otlp_interval_s", "otlp_endpoint");
    if (traceRatio > 0) throw without("trace_ratio", "otlp_endpoint");
  }
  if (metrics_listen === undefined && otlp_endpoint === undefined) return undefined;
  return {
    metrics: metrics_listen === undefined ? undefined : readMetrics(metrics_listen, metrics_token_file),
    otlp:
      otlp_endpoint === undefined
        ? undefined
        : {
            endpoint: readEndpoint(otlp_endpoint),
            headers: readHeaders(otlp_headers ?? {}, env),
            intervalMs: (otlp_interval_s ?? DEFAULT_INTERVAL_S) * 1000,
          },
    traceRatio,
  };
}

function readMetrics(address: string, tokenFile: string | undefined): ScrapeConfig {
  const place = readAddress("metrics_listen", address);
  if (tokenFile === undefined) return { ...place, isToken: undefined };
  readSecretFile("metrics_token_file", tokenFile, 0o077);
  const isToken = async (text: string) => {
    const token = await secretOf(tokenFile).catch(() => "");
    return token !== "" && isSameToken(text, token);
  };
  return { ...place, isToken };
}

function readEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url !== undefined && url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (isPlain && /^https?:$/.test(url.protocol)) return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
  // What was given is not repeated: it may hold a password.
  throw invalid(
    "otlp_endpoint",
    "The OTLP endpoint is no plain address of HTTP.",
    "Write it like http://127.0.0.1:4318, and give secrets by otlp_headers.",
  );
}

/** Each value is a reference; what it leads to is looked for at once, and read for each export. */
function readHeaders(
  references: Readonly<{ [name: string]: string }>,
  env: Env,
): () => Promise<Record<string, string>> {
  const readers = Object.entries(references).map(([name, reference]) => {
    if (!HEADER.test(name))
      throw invalid("otlp_headers", `No header is called ${JSON.stringify(name)}.`, "Mend the name.");
    return [name, readReference(`otlp_headers.${name}`, reference, env)] as const;
  });
  return async () => {
    const values = readers.map(async ([name, read]) => [name, await read()] as const);
    return Object.fromEntries(await Promise.all(values));
  };
}

function readReference(field: string, text: string, env: Env): () => Promise<string> {
  const reference = parseReference(text);
  const mend = "Write env:NAME of a variable that is set, or file:/absolute/path.";
  if (reference === undefined) throw invalid(field, "The value is no reference to a secret.", mend);
  if (reference.from === "file") {
    readSecretFile(field, reference.path, 0o077);
    return () => secretOf(reference.path);
  }
  const value = env[reference.name];
  if (value !== undefined && value !== "") return async () => value;
  throw invalid(field, `The variable ${reference.name} is not set.`, mend);
}

async function secretOf(file: string): Promise<string> {
  return (await readFile(file, "utf8")).trim();
}

function without(field: string, needed: string): PipekitError {
  return invalid(
    field,
    `The setting ${field} means nothing without ${needed}.`,
    `Set ${needed}, or leave it out.`,
  );
}
