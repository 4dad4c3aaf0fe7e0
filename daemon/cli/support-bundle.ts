/** `pkx support-bundle`: what somebody who helps must know, in one file, without secrets. */
import { resolve } from "node:path";
import { PipekitError, type Run } from "@pipekit/experiment";
import type { Command } from "commander";
import { foldersOf, stateLayout } from "../config/index.ts";
import { bytes } from "../format.ts";
import type { Redactor } from "../support/index.ts";
import { VERSION } from "../version.ts";
import { parsedText } from "../view/documents/texts.ts";
import { examine, type Finding } from "./checks/index.ts";
import { lookForDaemon } from "./checks/service.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { locate } from "./locate.ts";
import { runState, sinkState } from "./shapes.ts";

/** Newest runs that are told. */
const RUNS = 50;

interface BundleOptions {
  readonly lines: number;
  readonly withRuns?: boolean;
}

export function addSupportBundleCommand(program: Command, commands: Commands): void {
  const bundle = program
    .command("support-bundle")
    .description("put what a helper must know into one file, without secrets; starts no daemon")
    .argument("<file>", "file to make, such as support.tar.gz")
    .option("-n, --lines <n>", "the last so many lines of the log", whole(0), 2000)
    .option("--with-runs", "names, tags and configs of runs, too");
  commands.define<BundleOptions>(bundle, {
    starts: false,
    examples:
      "pkx support-bundle support.tar.gz\npkx support-bundle support.tar.gz --with-runs && tar -tzf support.tar.gz",
    run: makeBundle,
  });
}

async function makeBundle(
  context: Context,
  [file = ""]: readonly string[],
  { lines, withRuns }: BundleOptions,
): Promise<undefined> {
  const path = resolve(file);
  const { env } = context.terminal;
  const { state, runtime, socket, remote } = locate(context);
  const { logFile, journalFile } = stateLayout(state);
  const answerer = remote ? undefined : await lookForDaemon(socket);
  const { json, surroundings, writeArchive } = await import("../support/index.ts");
  const { redactor, entries } = await surroundings({
    env,
    state,
    runtime,
    configFile: foldersOf(env).configFile,
    logFile,
    journalFile,
    daemonPid: answerer?.kind === "daemon" ? answerer.pid : undefined,
    lines,
  });
  const all = new Map(entries);
  all.set("doctor.json", json((await examine(context)).map((finding) => shownFinding(finding, redactor))));
  if (remote || answerer?.kind === "daemon") {
    for (const [name, document] of await askDaemon(context, redactor, withRuns === true))
      all.set(name, json(document));
  }
  all.set("README.txt", introduction([...all.keys()], withRuns === true));
  const size = await writeArchive(path, all);
  const names = [...all.keys()].sort();
  context.print({ path, bytes: size, entries: names }, () => [
    `${path}: ${bytes(size)}, ${names.length} files. Look at it before you send it: tar -xzOf ${path} | less`,
  ]);
}

/** Texts of tools and of people stand in some findings. */
function shownFinding({ check, state, message, mend }: Finding, redactor: Redactor): object {
  const ours = !["sinks", "last start", "warnings", "config", "trackers"].includes(check);
  const shown = ours ? redactor.text(message) : redactor.foreign(message);
  return { check, state, message: shown, ...(mend !== undefined && { mend: redactor.text(mend) }) };
}

/** What the daemon tells, or why it does not. */
async function askDaemon(
  context: Context,
  redactor: Redactor,
  withRuns: boolean,
): Promise<readonly (readonly [string, unknown])[]> {
  const { signal } = context;
  try {
    return await context.withClient(async (client) => {
      const { warnings, stateFolder, endpoint, logFile, ...status } = await client.status({ signal });
      const { protocol, capabilities } = client.daemon;
      const runs: object[] = [];
      for await (const run of client.listRuns({ signal })) {
        runs.push(runDocument(run, redactor, withRuns));
        if (runs.length >= RUNS) break;
      }
      const paths = [stateFolder, endpoint, logFile].map((text) => redactor.text(text));
      const told = { ...status, protocol, capabilities, paths, warnings: redactor.value(warnings) };
      return [
        ["status.json", told],
        ["runs.json", runs],
      ] as const;
    }, false);
  } catch (error) {
    signal.throwIfAborted();
    const code = error instanceof PipekitError ? error.code : "INTERNAL";
    return [["status.json", { error: code, message: redactor.foreign(String(error)) }]];
  }
}

/** Counts and states. Values of metrics are in no bundle; what people named only where they say so. */
function runDocument(run: Run, redactor: Redactor, withRuns: boolean): object {
  const { runId, startedAtUs, endedAtUs, series, sinks, name, tags, configJson } = run;
  return {
    runId,
    state: runState(run),
    startedAtUs,
    endedAtUs,
    series: series.length,
    sinks: sinks.map((sink) => ({
      spec: redactor.spec(sink.spec),
      state: sinkState(sink),
      pointsSent: sink.pointsSent,
      pointsPending: sink.pointsPending,
      pointsDead: sink.pointsDead,
      pointsShown: sink.pointsShown,
      retryAtUs: sink.retryAtUs,
      pendingSinceUs: sink.pendingSinceUs,
      lastError: redactor.foreign(sink.lastError),
      notes: sink.notes.length,
    })),
    ...(withRuns && {
      name: redactor.text(name),
      tags: redactor.value(tags),
      config: redactor.value(parsedText(configJson)),
    }),
  };
}

function introduction(names: readonly string[], withRuns: boolean): string {
  return `A support bundle of pipekit-experiment ${VERSION}.

${[...names]
  .sort()
  .map((name) => `  ${name}`)
  .join("\n")}

In it: versions, the machine, names of environment variables, settings, what \`pkx doctor\` found, states and counts of the newest
runs and their sinks, names and sizes of files, and the end of the daemon's log.
Not in it: secrets that are known or look like one, values of metrics, weights, artifacts${withRuns ? "" : ", names, tags and configs of runs"}.
docs/doctor.md says what is hidden, and how. Look at it before you send it.
`;
}
