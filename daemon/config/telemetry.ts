/** What the daemon needs to show its metrics and to send metrics and traces: addresses, and where secrets are. */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { PipekitError } from "@pipekit/proto";
import type { Env } from "./folders.ts";
import { checkAddress, readSecretFile } from "./remote.ts";

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
  readonly metrics:
    | {
        readonly host: string;
        readonly port: number;
        readonly isToken: ((text: string) => Promise<boolean>) | undefined;
      }
    | undefined;
  readonly otlp:
    | {
        readonly endpoint: string;
        readonly headers: () => Promise<Record<string, string>>;
        readonly intervalMs: number;
      }
    | undefined;
  readonly traceRatio: number;
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

function readMetrics(address: string, tokenFile: string | undefined): TelemetryConfig["metrics"] {
  checkAddress("metrics_listen", address);
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  const port = Number(address.slice(colon + 1));
  if (tokenFile === undefined) return { host, port, isToken: undefined };
  readSecretFile("metrics_token_file", tokenFile, 0o077);
  const isToken = async (text: string) => {
    const token = await secretOf(tokenFile).catch(() => "");
    return token !== "" && timingSafeEqual(digestOf(text), digestOf(token));
  };
  return { host, port, isToken };
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

function readReference(field: string, reference: string, env: Env): () => Promise<string> {
  const [, kind, target = ""] = /^(env|file):(.+)$/s.exec(reference) ?? [];
  if (kind === "file" && isAbsolute(target)) {
    readSecretFile(field, target, 0o077);
    return () => secretOf(target);
  }
  const value = kind === "env" ? env[target] : undefined;
  if (value !== undefined && value !== "") return async () => value;
  const mend = "Write env:NAME of a variable that is set, or file:/absolute/path.";
  if (kind === "env") throw invalid(field, `The variable ${target} is not set.`, mend);
  throw invalid(field, "The value is no reference to a secret.", mend);
}

async function secretOf(file: string): Promise<string> {
  return (await readFile(file, "utf8")).trim();
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function without(field: string, needed: string): PipekitError {
  return invalid(
    field,
    `The setting ${field} means nothing without ${needed}.`,
    `Set ${needed}, or leave it out.`,
  );
}

function invalid(field: string, message: string, mend: string): PipekitError {
  return new PipekitError("INVALID_DAEMON_CONFIG", message, { field, mend });
}
