import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { PipekitError } from "@pipekit/proto";
import { z } from "zod";
import { readYaml } from "../access/index.ts";
import { type Env, foldersOf } from "./folders.ts";
import { type RemoteListen, readRemote } from "./remote.ts";
import { readTelemetry, type TelemetryConfig } from "./telemetry.ts";

/** The settings, by the names they have in the config file. */
const Settings = z.strictObject({
  idle_exit_s: z.number().int().min(0).max(315_360_000),
  orphan_grace_s: z.number().min(0).max(86_400),
  drain_s: z.number().min(0).max(86_400),
  log_level: z.enum(["trace", "debug", "info", "warn", "error", "fatal"]),
  disk_quota_gb: z.number().min(0).max(1e9),
  prune_after_days: z.number().min(0).max(36_500),
  cache_gb: z.number().min(0).max(1e9),
  listen: z.string(),
  tls_cert: z.string(),
  tls_key: z.string(),
  tls_client_ca: z.string(),
  tls_client_auth: z.enum(["required", "optional"]),
  token_file: z.string(),
  principals_file: z.string(),
  metrics_listen: z.string(),
  metrics_token_file: z.string(),
  otlp_endpoint: z.string(),
  otlp_interval_s: z.number().min(1).max(86_400),
  trace_ratio: z.number().min(0).max(1),
  otlp_headers: z.record(z.string(), z.string()),
  bridge: z.string(),
  fan_in: z.string(),
  trackers: z.record(z.string().regex(/^[\w.-]{1,64}$/), z.array(z.string().min(1)).min(1)),
});

const SomeSettings = Settings.partial();

type SettingName = keyof z.infer<typeof Settings>;
type SomeSettings = z.infer<typeof SomeSettings>;

const NAMES = Object.keys(Settings.shape) as SettingName[];
const NUMBERS: ReadonlySet<string> = new Set([
  "idle_exit_s",
  "orphan_grace_s",
  "drain_s",
  "disk_quota_gb",
  "prune_after_days",
  "cache_gb",
  "otlp_interval_s",
  "trace_ratio",
]);

/** What each setting wants, for a person. */
export const WANTED: { readonly [name in SettingName]: string } = {
  idle_exit_s: "a whole number of seconds, 0 for never",
  orphan_grace_s: "a number of seconds",
  drain_s: "a number of seconds, 0 for not at all",
  log_level: "one of trace, debug, info, warn, error, fatal",
  disk_quota_gb: "a number of gigabytes, 0 for no limit",
  prune_after_days: "a number of days, 0 for never",
  cache_gb: "a number of gigabytes, 0 for no cache of weights",
  listen: "an address like 0.0.0.0:7443",
  tls_cert: "the absolute path of a certificate, PEM",
  tls_key: "the absolute path of the certificate's key, PEM",
  tls_client_ca: "the absolute path of the certificate that signs those of clients, PEM",
  tls_client_auth: "required or optional",
  token_file: "the absolute path of a file with a token",
  principals_file: "the absolute path of a file with principals, YAML",
  metrics_listen: "an address like 127.0.0.1:9464",
  metrics_token_file: "the absolute path of a file with a token",
  otlp_endpoint: "an address like http://127.0.0.1:4318",
  otlp_interval_s: "a number of seconds, 1 or more",
  trace_ratio: "a share from 0 to 1",
  otlp_headers: "a map of header name to env:NAME or file:/path",
  bridge: "a stream such as nats://127.0.0.1:4222/pkx",
  fan_in: "a stream such as nats://127.0.0.1:4222/pkx",
  trackers: "a map of tracker name to list of tracker specs",
};

/** How the daemon is to run. Paths are absolute. */
export interface Config {
  readonly stateFolder: string;
  readonly runtimeFolder: string;
  /** The config file, whether it exists or not. */
  readonly configFile: string;
  /** Seconds without work after which the daemon exits; 0 for never. */
  readonly idleExitS: number;
  /** Seconds that a run stays running after its process is gone and its last frame came. */
  readonly orphanGraceS: number;
  /** Seconds that a signal to stop first waits for runs to end and for their sinks; 0 for not at all. */
  readonly drainS: number;
  readonly logLevel: z.infer<typeof Settings>["log_level"];
  /** Most bytes that journal, content and spool may take together; 0 for no limit. */
  readonly diskQuotaBytes: number;
  /** Days after its end when a run that all its sinks have is pruned; 0 for never. */
  readonly pruneAfterDays: number;
  /** Most bytes of weights that are kept of registries on other hosts; 0 for none. */
  readonly cacheBytes: number;
  /** Where and how it listens on TCP; undefined for not at all. */
  readonly remote: RemoteListen | undefined;
  /** Where metrics and traces go; undefined for nowhere. */
  readonly telemetry: TelemetryConfig | undefined;
  /** Stream that the journal is published to; undefined for none. */
  readonly bridge: string | undefined;
  /** Stream that frames of other daemons are taken from; undefined for none. */
  readonly fanIn: string | undefined;
  /** Named trackers: name to specs. */
  readonly trackers: Readonly<{ [name: string]: readonly string[] }>;
}

/**
 * Settings of the command line, as text. `config` names the config file. The folders are no settings of the file:
 * clients find the daemon by them and read no file.
 */
export type CommandLineSettings = Readonly<{
  [name in SettingName | "config" | "state_dir" | "runtime_dir"]?: string | undefined;
}>;

interface Layer {
  readonly values: Readonly<{ [name: string]: unknown }>;
  /** Says for a person where a key stands, such as `idle_exit_s in /a/config.yaml, line 3`. */
  readonly place: (path: readonly PropertyKey[]) => string;
  /** Names the keys that are allowed. */
  readonly allowed: string;
}

/**
 * Reads the settings: command line over config file over environment over default.
 * Throws PipekitError INVALID_DAEMON_CONFIG that names key and file (or variable), and the keys that are allowed.
 */
export async function loadConfig(commandLine: CommandLineSettings, env: Env): Promise<Config> {
  const { config, state_dir, runtime_dir, ...flags } = commandLine;
  const folders = foldersOf(env);
  const configFile = config === undefined ? folders.configFile : resolve(config);
  const named = config !== undefined || Boolean(env["PKX_CONFIG"]);
  const layers = [environmentLayer(env), await fileLayer(configFile, named), commandLineLayer(flags)];
  const merged: SomeSettings = Object.assign({}, ...layers.map(parseLayer));
  const remote = await readRemote(merged, env);
  return {
    stateFolder: resolve(state_dir || folders.stateFolder),
    runtimeFolder: resolve(runtime_dir || folders.runtimeFolder),
    configFile,
    // Nobody on another host can start it again.
    idleExitS: merged.idle_exit_s ?? (remote === undefined && !merged.fan_in ? 900 : 0),
    orphanGraceS: merged.orphan_grace_s ?? 10,
    drainS: merged.drain_s ?? 0,
    logLevel: merged.log_level ?? "info",
    diskQuotaBytes: Math.round((merged.disk_quota_gb ?? 0) * 1e9),
    pruneAfterDays: merged.prune_after_days ?? 0,
    cacheBytes: Math.round((merged.cache_gb ?? 20) * 1e9),
    remote,
    telemetry: readTelemetry(merged, env),
    bridge: merged.bridge || undefined,
    fanIn: merged.fan_in || undefined,
    trackers: merged.trackers ?? {},
  };
}

function parseLayer(layer: Layer): SomeSettings {
  const parsed = SomeSettings.safeParse(layer.values);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  if (issue?.code === "unrecognized_keys") {
    const path = [...issue.path, ...issue.keys.slice(0, 1)];
    throw invalid(path, `Unknown setting: ${layer.place(path)}.`, layer.allowed);
  }
  const path = issue?.path ?? [];
  const wanted = WANTED[path[0] as SettingName] ?? "a map of settings";
  throw invalid(path, `${layer.place(path)}, is wrong: it must be ${wanted}.`, layer.allowed);
}

function invalid(path: readonly PropertyKey[], message: string, mend: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_DAEMON_CONFIG", message, {
    field: path.map(String).join("."),
    mend,
    cause,
  });
}

function environmentLayer(env: Env): Layer {
  const variable = (name: string) => `PKX_${name.toUpperCase()}`;
  // Maps do not fit into a variable.
  const names = NAMES.filter((name) => name !== "trackers" && name !== "otlp_headers");
  const values = Object.fromEntries(
    names.flatMap((name) => {
      const text = env[variable(name)];
      return text === undefined || text === "" ? [] : [[name, fromText(name, text)]];
    }),
  );
  return {
    values,
    place: ([name]) => `${variable(String(name))}, an environment variable`,
    allowed: `Set it right or unset it. Variables read: ${names.map(variable).join(", ")}.`,
  };
}

function commandLineLayer(flags: { readonly [name in SettingName]?: string | undefined }): Layer {
  const given = Object.entries(flags).filter(([, text]) => text !== undefined);
  return {
    values: Object.fromEntries(given.map(([name, text]) => [name, fromText(name, text ?? "")])),
    place: ([name]) => `--${String(name).replaceAll("_", "-")}, on the command line`,
    allowed: "See `pkx serve --help`.",
  };
}

function fromText(name: string, text: string): unknown {
  return NUMBERS.has(name) && text.trim() !== "" ? Number(text) : text;
}

async function fileLayer(file: string, named: boolean): Promise<Layer> {
  const allowed = `Keys allowed: ${NAMES.join(", ")}.`;
  const none: Layer = { values: {}, place: () => file, allowed };
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (!named && (code === "ENOENT" || code === "ENOTDIR")) return none;
    throw invalid([], `The config file ${file} cannot be read (${String(code)}).`, "Mend the path.", cause);
  }
  const read = await readYaml(text);
  if ("fault" in read) {
    const where = `${file}, line ${read.fault.line}`;
    throw invalid([], `The config file ${where}, is not YAML (${read.fault.code}).`, allowed);
  }
  const values = read.values ?? {};
  if (typeof values !== "object" || Array.isArray(values)) {
    throw invalid([], `The config file ${file} does not hold a map of settings.`, allowed);
  }
  const place = (path: readonly PropertyKey[]) => {
    const line = read.lineOf(path);
    return `${path.map(String).join(".")} in ${file}${line === undefined ? "" : `, line ${line}`}`;
  };
  return { values: values as Layer["values"], place, allowed };
}
