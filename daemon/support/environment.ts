/** What the environment says: all names, and the values of those that hold no secret. */
import type { Redactor } from "./redactor.ts";

/** The environment of a process. */
export type Env = Readonly<{ [name: string]: string | undefined }>;

/** Folders, numbers and locales. A value that is no secret by its kind is redacted all the same. */
export const SAFE_VARIABLES: ReadonlySet<string> = new Set([
  ...[
    "PKX_STATE_DIR",
    "PKX_RUNTIME_DIR",
    "PKX_CONFIG",
    "PKX_NODE",
    "PKX_DAEMON",
    "PKX_RING_MB",
    "PKX_LISTEN",
  ],
  ...[
    "PKX_IDLE_EXIT_S",
    "PKX_ORPHAN_GRACE_S",
    "PKX_DRAIN_S",
    "PKX_LOG_LEVEL",
    "PKX_DISK_QUOTA_GB",
    "PKX_CACHE_GB",
  ],
  ...[
    "PKX_PRUNE_AFTER_DAYS",
    "PKX_METRICS_LISTEN",
    "PKX_OTLP_INTERVAL_S",
    "PKX_TRACE_RATIO",
    "PKX_TLS_CLIENT_AUTH",
  ],
  ...["XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"],
  ...["LANG", "LC_ALL", "TZ", "TERM", "SHELL", "PATH", "NODE_ENV"],
]);

/** `null` for a value that is not told. */
export function environmentFacts(env: Env, redactor: Redactor): { readonly [name: string]: string | null } {
  const names = Object.keys(env).sort();
  return Object.fromEntries(
    names.map((name) => [
      redactor.text(name),
      SAFE_VARIABLES.has(name) ? redactor.text(env[name] ?? "") : null,
    ]),
  );
}
