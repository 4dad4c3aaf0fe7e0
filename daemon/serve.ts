import { parseArgs } from "node:util";
import { PipekitError } from "@pipekit/proto";
import { loadConfig } from "./config/index.ts";
import { hostDaemon } from "./host.ts";
import type { RoomContext, Rooms } from "./rooms.ts";

const HELP = `Usage: pkx serve [options]

Runs the daemon of a state folder in the foreground until it is stopped (SIGTERM, Ctrl-C, \`pkx stop\`) or idle.
Clients start it by themselves; run it by hand to watch it, or under a service manager.

Options:
  --state-dir DIR         journal, models and log (default: ~/.local/state/pipekit-experiment)
  --runtime-dir DIR       folder of the socket (default: $XDG_RUNTIME_DIR/pipekit-experiment)
  --config FILE           config file (default: ~/.config/pipekit-experiment/config.yaml)
  --idle-exit-s SECONDS   exit after so long without work; 0 for never (default: 900, with --listen 0)
  --orphan-grace-s SECONDS
                          end a run as killed so long after its process is gone and silent (default: 10)
  --drain-s SECONDS       when a signal stops it, first wait so long for runs to end and for their sinks (default: 0)
  --log-level LEVEL       trace, debug, info, warn, error or fatal (default: info)
  --listen HOST:PORT      listen on TCP, too; needs a certificate, its key, and principals or a token (docs/remote.md)
  --tls-cert FILE         chain of certificates, PEM
  --tls-key FILE          its private key, PEM
  --principals-file FILE  who may call over TCP, and in which roles, YAML
  --token-file FILE       instead: token of one principal, an admin
  --tls-client-ca FILE    certificate that signs those of clients, PEM
  --tls-client-auth HOW   required (default with a client CA) or optional
  --metrics-listen HOST:PORT
                          show metrics for Prometheus, by HTTP (docs/monitoring.md)
  --otlp-endpoint URL     send metrics and traces there, by OTLP
  --ready-fd N            file descriptor that gets the line \`ready ENDPOINT\` (default: 1)
  --json                  that line as {"ready": ENDPOINT}, and why it cannot serve as {"error": ...} on standard error
  --help                  this text

Exit codes: 0 stopped, or another daemon serves this state folder already; 1 cannot serve; 2 wrong command line;
130 ended by a second signal.

Examples:
  pkx serve
  pkx serve --state-dir /scratch/pkx --idle-exit-s 0
`;

const OPTIONS = {
  "state-dir": { type: "string" },
  "runtime-dir": { type: "string" },
  config: { type: "string" },
  "idle-exit-s": { type: "string" },
  "orphan-grace-s": { type: "string" },
  "drain-s": { type: "string" },
  "log-level": { type: "string" },
  listen: { type: "string" },
  "tls-cert": { type: "string" },
  "tls-key": { type: "string" },
  "token-file": { type: "string" },
  "principals-file": { type: "string" },
  "tls-client-ca": { type: "string" },
  "tls-client-auth": { type: "string" },
  "metrics-listen": { type: "string" },
  "otlp-endpoint": { type: "string" },
  "ready-fd": { type: "string", default: "1" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const EXIT_CANNOT_SERVE = 1;
const EXIT_USAGE = 2;

/** `pkx serve`: the arguments are those after the word. Returns when the daemon serves, or sets the exit code. */
export async function serve(
  args: readonly string[],
  openRooms: (context: RoomContext) => Promise<Rooms> = openRealRooms,
): Promise<void> {
  const values = readOptions(args);
  if (values === undefined) return;
  try {
    const commandLine = {
      config: values.config,
      state_dir: values["state-dir"],
      runtime_dir: values["runtime-dir"],
      idle_exit_s: values["idle-exit-s"],
      orphan_grace_s: values["orphan-grace-s"],
      drain_s: values["drain-s"],
      log_level: values["log-level"],
      listen: values.listen,
      tls_cert: values["tls-cert"],
      tls_key: values["tls-key"],
      token_file: values["token-file"],
      principals_file: values["principals-file"],
      tls_client_ca: values["tls-client-ca"],
      tls_client_auth: values["tls-client-auth"],
      metrics_listen: values["metrics-listen"],
      otlp_endpoint: values["otlp-endpoint"],
    };
    const config = await loadConfig(commandLine, process.env);
    const result = await hostDaemon({
      config,
      openRooms,
      readyFd: Number(values["ready-fd"]),
      json: values.json,
    });
    if (result.kind === "running") {
      const pid = result.pid === 0 ? "" : ` (pid ${result.pid})`;
      process.stderr.write(`already running${pid}\n`);
    }
  } catch (error) {
    process.stderr.write(values.json ? explainJson(error) : explain(error));
    // At once: a room that was opened already may keep the process.
    process.exit(EXIT_CANNOT_SERVE);
  }
}

/** Loaded after the lock is taken: who loses the race for it should be gone soon. */
async function openRealRooms(context: RoomContext): Promise<Rooms> {
  const { openRooms } = await import("./rooms.ts");
  return openRooms(context);
}

function readOptions(args: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    if (!/^\d{1,4}$/.test(values["ready-fd"])) throw new Error("--ready-fd is not a file descriptor.");
    if (!values.help) return values;
    process.stdout.write(HELP);
  } catch (error) {
    process.stderr.write(`pkx serve: ${error instanceof Error ? error.message : error}\n\n${HELP}`);
    process.exitCode = EXIT_USAGE;
  }
  return undefined;
}

function explainJson(error: unknown): string {
  const { code, message, field, mend } =
    error instanceof PipekitError ? error : new PipekitError("INTERNAL", String(error));
  return `${JSON.stringify({ error: { code, message, field, mend } })}\n`;
}

function explain(error: unknown): string {
  if (!(error instanceof PipekitError)) return `pkx serve: ${error instanceof Error ? error.stack : error}\n`;
  const field = error.field === "" ? "" : `: ${error.field}`;
  return `pkx serve: ${error.message} [${error.code}${field}]\n${error.mend === "" ? "" : `  ${error.mend}\n`}`;
}
