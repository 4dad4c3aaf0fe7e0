/** The settings of the daemon: by name, variable and option. */

import { WANTED } from "../../../daemon/config/config.ts";
import type { Page } from "../stage.ts";
import { generated, head, row } from "./page.ts";

type SettingName = keyof typeof WANTED;

/** What each setting is for, and what holds without it. That none is forgotten is in the type. */
const SETTINGS: Readonly<Record<SettingName, { readonly does: string; readonly otherwise: string }>> = {
  idle_exit_s: {
    does: "Seconds without work after which the daemon leaves.",
    otherwise: "900; with `listen` 0",
  },
  orphan_grace_s: {
    does: "Seconds that a run stays running after its process is gone and its last frame came.",
    otherwise: "10",
  },
  drain_s: {
    does: "Seconds that a signal to stop first waits for runs to end and for their sinks.",
    otherwise: "0",
  },
  log_level: { does: "What the log holds.", otherwise: "`info`" },
  disk_quota_gb: {
    does: "Most that journal, files and spool may take; a warning comes at 70 %.",
    otherwise: "0, no limit",
  },
  prune_after_days: {
    does: "Days after its end when a run that all its sinks have is forgotten.",
    otherwise: "0, never",
  },
  cache_gb: { does: "Weights of registries elsewhere that are kept on this host.", otherwise: "20" },
  listen: { does: "Where to listen on TCP; see [remote use](/remote).", otherwise: "not at all" },
  tls_cert: { does: "The chain of certificates for `listen`.", otherwise: "" },
  tls_key: { does: "Its key.", otherwise: "" },
  tls_client_ca: { does: "Who signs the certificates of clients over TCP.", otherwise: "none are asked for" },
  tls_client_auth: { does: "Whether clients must show such a certificate.", otherwise: "`required`" },
  token_file: {
    does: "The token of the one principal, an admin, where there is no `principals_file`.",
    otherwise: "",
  },
  principals_file: {
    does: "Who may call over TCP, and in which roles; see [remote use](/remote).",
    otherwise: "",
  },
  metrics_listen: {
    does: "Where to serve Prometheus metrics; see [monitoring](/monitoring).",
    otherwise: "not at all",
  },
  metrics_token_file: { does: "The token that readers of the metrics send.", otherwise: "none is asked for" },
  otlp_endpoint: {
    does: "Where to send OpenTelemetry metrics and traces, by OTLP over HTTP.",
    otherwise: "nowhere",
  },
  otlp_interval_s: { does: "Seconds between two exports of metrics.", otherwise: "60" },
  trace_ratio: { does: "Share of the calls that are traced.", otherwise: "0" },
  otlp_headers: { does: "Headers of each export, with their secrets by reference.", otherwise: "none" },
  bridge: {
    does: "Stream that the journal is published to; see [many nodes](/multi-node).",
    otherwise: "none",
  },
  fan_in: { does: "Stream that frames of other daemons are taken from.", otherwise: "none" },
  trackers: {
    does: 'Names for lists of [tracker specs](/trackers): `start_run(tracker="NAME")` logs to all of one.',
    otherwise: "none",
  },
};

/** Maps and lists: no variable holds them. */
const FILE_ONLY: ReadonlySet<SettingName> = new Set(["trackers", "otlp_headers"]);

/** The page of the settings. */
export function settingsPage(): Page {
  const names = Object.keys(WANTED) as SettingName[];
  const lines = [
    "# Settings",
    "",
    "In the config file `$PKX_CONFIG`, else `$XDG_CONFIG_HOME/pipekit-experiment/config.yaml`, else",
    "`~/.config/pipekit-experiment/config.yaml`. The command line (`pkx serve --help`) goes before the file, the file before the",
    "environment. An unknown key, or a value of the wrong kind, ends the daemon's start with the file and the line.",
    "",
    ...head("key", "what for", "value", "otherwise", "variable"),
    ...names.map((name) =>
      row(
        `\`${name}\``,
        SETTINGS[name].does,
        WANTED[name],
        SETTINGS[name].otherwise,
        FILE_ONLY.has(name) ? "" : `\`PKX_${name.toUpperCase()}\``,
      ),
    ),
    "",
    "## Folders and clients",
    "",
    "Clients find the daemon by these, and read no file:",
    "",
    ...head("variable", "what"),
    row(
      "`PKX_STATE_DIR`",
      "the state folder: journal, models, log. Default `$XDG_STATE_HOME/pipekit-experiment`, else `~/.local/state/pipekit-experiment`",
    ),
    row(
      "`PKX_RUNTIME_DIR`",
      "the folder of the socket and the rings. Default `$XDG_RUNTIME_DIR/pipekit-experiment`, else one below `/tmp`",
    ),
    row("`PKX_ENDPOINT`", "a daemon elsewhere, `unix:/path` or `https://host:port`; clients start none then"),
    row(
      "`PKX_TOKEN_FILE`, `PKX_TOKEN`, `PKX_CLIENT_CERT_FILE`, `PKX_CLIENT_KEY_FILE`, `PKX_CA_FILE`",
      "for a daemon elsewhere; see [remote use](/remote)",
    ),
    row("`PKX_NODE`, `PKX_DAEMON`", "the Node (24 or newer) and the daemon's file that clients start"),
    row("`PKX_RING_MB`", "the ring that keeps what was logged over a `kill -9`; default 8, 0 for none"),
    row("`PKX_CONFIG`", "the config file"),
    row(
      "`PKX_GROUP`, `PKX_RANK`, `PKX_WORLD_SIZE`",
      'who this process is in a job, for `group="auto"`; see [many nodes](/multi-node)',
    ),
    "",
  ];
  return generated("settings.md", lines);
}
