/**
 * What `pkx support-bundle` puts together for somebody else to look at.
 *
 * Architecture Invariant: nothing goes into a bundle but through the redactor; what is not known to be harmless is left out.
 */
import { homedir } from "node:os";
import { glance } from "../journal/index.ts";
import { VERSION } from "../version.ts";
import { daemonProcess } from "./daemon-process.ts";
import { type Env, environmentFacts } from "./environment.ts";
import { hostFacts } from "./host.ts";
import { listing } from "./listing.ts";
import { logTail } from "./log-tail.ts";
import { Redactor } from "./redactor.ts";
import { knownSecrets } from "./secrets.ts";
import { rawSettings, secretsInSettings, settingsFacts } from "./settings.ts";

export { writeArchive } from "./archive.ts";
export { Redactor } from "./redactor.ts";

/** What is looked at. Paths are absolute. */
export interface Scene {
  readonly env: Env;
  readonly state: string;
  readonly runtime: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly journalFile: string;
  /** Pid of the daemon on this host; undefined when none runs. */
  readonly daemonPid: number | undefined;
  /** Lines of the log that are kept. */
  readonly lines: number;
}

/** What files and the system tell, and what must be hidden in all else. */
export interface Surroundings {
  readonly redactor: Redactor;
  readonly entries: ReadonlyMap<string, string>;
}

export async function surroundings(scene: Scene): Promise<Surroundings> {
  const { env, state, runtime, logFile, journalFile, daemonPid, lines } = scene;
  const daemon = daemonPid === undefined ? undefined : daemonProcess(daemonPid);
  const option = (name: string) => daemon?.options.get(name) ?? "";
  const configFile = option("config") || scene.configFile;
  const settings = await rawSettings(configFile);
  const principals = [
    String(settings.values["principals_file"] ?? ""),
    option("principals-file"),
    env["PKX_PRINCIPALS_FILE"] ?? "",
  ];
  const redactor = new Redactor([
    ...knownSecrets({
      envs: [env, ...(daemon === undefined ? [] : [daemon.env])],
      naming: [configFile, ...principals],
      files: [option("token-file"), option("tls-key")],
      home: env["HOME"] ?? homedir(),
    }),
    ...secretsInSettings(settings),
  ]);
  const journal = daemonPid === undefined ? glance(journalFile) : undefined;
  const entries = new Map([
    ["versions.json", json({ pkx: VERSION, node: process.versions.node, openssl: process.versions.openssl })],
    ["host.json", json(hostFacts(env, [state, runtime], redactor))],
    ["environment.json", json(environmentFacts(env, redactor))],
    ["config.json", json(settingsFacts(settings, redactor))],
    ["files.json", json([...listing(state, redactor), ...listing(runtime, redactor)])],
    ["daemon.log", logTail(logFile, lines, redactor)],
    ...(journal === undefined ? [] : [["journal.json", json(redactor.value(journal))] as const]),
  ]);
  return { redactor, entries };
}

/** A document as it stands in a bundle. */
export function json(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
