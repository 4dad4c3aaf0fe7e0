/** The daemon's config, and the files and addresses that it names. */
import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { type Config, loadConfig } from "../../config/index.ts";
import { counted, moment } from "../../format.ts";
import type { Context } from "../context.ts";
import { codeOf, type Finding, failed, note, ok, problem } from "./finding.ts";

const DAY_MS = 86_400_000;
/** Days before the end of a certificate from which it is a problem, and from which it is told. */
const DAYS = { problem: 7, note: 30 };

/** What the config says; undefined when the daemon cannot start with it. */
export interface Settings {
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
}

export async function readSettings(context: Context): Promise<Settings> {
  let config: Config;
  try {
    config = await loadConfig({}, context.terminal.env);
  } catch (error) {
    return { config: undefined, findings: [failed("config", error)] };
  }
  return { config, findings: [checkConfig(config), ...checkCertificates(config)] };
}

function checkConfig(config: Config): Finding {
  const trackers = Object.keys(config.trackers).length;
  if (!existsSync(config.configFile)) return ok("config", `No file at ${config.configFile}; defaults hold.`);
  return ok("config", `${config.configFile} is valid, ${counted(trackers, "named tracker")}.`);
}

function checkCertificates({ remote }: Config): Finding[] {
  if (remote === undefined) return [];
  const { certificate, clientCa } = remote.access.tls;
  return [
    checkCertificate("tls_cert", certificate),
    ...(clientCa === undefined ? [] : [checkCertificate("tls_client_ca", clientCa)]),
  ];
}

/** The first certificate of a chain, PEM; `setting` names the file. */
function checkCertificate(setting: string, pem: Buffer): Finding {
  const { validFrom, validTo } = new X509Certificate(pem);
  const [fromMs, untilMs] = [Date.parse(validFrom), Date.parse(validTo)];
  const leftMs = untilMs - Date.now();
  const until = moment(untilMs * 1000);
  const mend = `Replace the files of ${setting}; a daemon that runs reads them anew.`;
  if (fromMs > Date.now()) {
    const from = moment(fromMs * 1000);
    return problem(
      "certificate",
      `The certificate of ${setting} counts from ${from} only.`,
      `Look at the clock. ${mend}`,
    );
  }
  if (leftMs <= 0)
    return problem("certificate", `The certificate of ${setting} has expired at ${until}.`, mend);
  const days = counted(Math.floor(leftMs / DAY_MS), "day");
  if (leftMs < DAYS.problem * DAY_MS)
    return problem("certificate", `The certificate of ${setting} expires in ${days}, at ${until}.`, mend);
  if (leftMs < DAYS.note * DAY_MS)
    return note("certificate", `The certificate of ${setting} expires in ${days}, at ${until}.`, mend);
  return ok("certificate", `That of ${setting} is good until ${until}.`);
}

/** Whether the addresses of the config are free; asked while no daemon runs. */
export async function checkAddresses({ remote, telemetry }: Config): Promise<Finding[]> {
  const wanted = [
    { setting: "listen", place: remote },
    { setting: "metrics_listen", place: telemetry?.metrics },
  ];
  const findings: Finding[] = [];
  for (const { setting, place } of wanted) {
    if (place === undefined) continue;
    const fault = await bindFailure(place.host, place.port);
    if (fault === undefined) continue;
    const what = fault === "EADDRINUSE" ? "somebody listens there already" : fault;
    const message = `The address of ${setting}, ${place.host}:${place.port}, cannot be had: ${what}.`;
    findings.push(problem("address", message, `Choose another for ${setting}, or stop who has it.`));
  }
  return findings;
}

function bindFailure(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error) => done(codeOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => done(undefined)));
  });
}
