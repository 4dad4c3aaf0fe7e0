/** What the socket, the lock and the daemon itself tell. */
import { existsSync } from "node:fs";
import type { Client, Sink } from "@pipekit/experiment";
import { stateLayout } from "../../config/index.ts";
import { bytes, count } from "../../format.ts";
import { type Answerer, readDaemonInfo, StateLock, whoAnswers } from "../../lifecycle/index.ts";
import { VERSION } from "../../version.ts";
import type { Context } from "../context.ts";
import { locate } from "../locate.ts";
import { sinkState } from "../shapes.ts";
import { type Finding, failed, note, ok, problem } from "./machine.ts";

const ANSWER_TIMEOUT_MS = 3000;
/** Newest runs whose sinks are looked at. */
const RUNS_EXAMINED = 100;

export async function checkService(context: Context): Promise<Finding[]> {
  const { state, socket, remote } = locate(context);
  if (remote) return checkInside(context, [note("socket", `The daemon is at ${socket}.`)]);
  const answerer = await whoAnswers(socket, ANSWER_TIMEOUT_MS);
  const findings = [checkSocket(socket, answerer), ...checkLock(state, answerer)];
  if (answerer.kind !== "daemon") return [...findings, note("journal", "Not looked at: no daemon runs.")];
  return checkInside(context, findings);
}

async function checkInside(context: Context, findings: readonly Finding[]): Promise<Finding[]> {
  try {
    const inside = await context.withClient((client) => checkDaemon(context, client), false);
    return [...findings, ...inside];
  } catch (error) {
    return [...findings, failed("daemon", error)];
  }
}

function checkSocket(socket: string, answerer: Answerer): Finding {
  switch (answerer.kind) {
    case "nothing":
      return ok("socket", "No daemon runs; clients start it when they need it.");
    case "dead":
      return note(
        "socket",
        `${socket} was left by a daemon that died.`,
        "Nothing to do: the next daemon removes it.",
      );
    case "daemon":
      return ok(
        "socket",
        `A daemon answers at ${socket}${answerer.pid === 0 ? "" : ` (pid ${answerer.pid})`}.`,
      );
    case "stranger": {
      const mend = "Stop what listens there and remove the file, or set PKX_RUNTIME_DIR to another folder.";
      return problem("socket", `What is at ${socket} is no daemon: it ${answerer.fault}.`, mend);
    }
  }
}

function checkLock(state: string, answerer: Answerer): Finding[] {
  const { lockFile, infoFile } = stateLayout(state);
  if (!existsSync(lockFile)) return [];
  const lock = StateLock.take(lockFile);
  lock?.release();
  const held = lock === undefined;
  const pid = readDaemonInfo(infoFile)?.pid;
  if (held === (answerer.kind === "daemon")) return [ok("lock", held ? "Held by the daemon." : "Free.")];
  if (held) {
    const who = pid === undefined ? "A process" : `A process (a daemon had pid ${pid})`;
    const mend = "If it is not just starting or stopping, it hangs: end it with kill -9.";
    return [problem("lock", `${who} holds ${lockFile} and does not answer.`, mend)];
  }
  const mend = "Stop it with `pkx stop`; two daemons could write one state folder.";
  return [problem("lock", `The daemon that answers does not hold ${lockFile}.`, mend)];
}

async function checkDaemon(context: Context, client: Client): Promise<Finding[]> {
  const { signal } = context;
  const status = await client.status({ signal });
  const { daemonVersion: version } = status;
  const journal = `${count(status.runs)} runs, ${count(status.points)} points, ${bytes(status.journalBytes)}.`;
  return [
    version === VERSION
      ? ok("version", `Version ${version}, protocol ${client.daemon.protocol}.`)
      : note(
          "version",
          `The daemon is ${version}, this pkx ${VERSION}.`,
          "Run `pkx stop`; the next start is the new one.",
        ),
    status.draining
      ? note("daemon", "It is shutting down.")
      : ok("daemon", `Up, ${bytes(status.rssBytes)} of memory.`),
    ok("journal", journal),
    status.deadLetters === 0
      ? ok("dead letters", "None.")
      : problem(
          "dead letters",
          `Sinks refused ${count(status.deadLetters)} batches for good.`,
          "See their reasons with `pkx runs show ID`.",
        ),
    ...(await checkSinks(client, signal)),
  ];
}

/** One finding for each different trouble of a sink, with the newest run that has it. */
async function checkSinks(client: Client, signal: AbortSignal): Promise<Finding[]> {
  const troubles = new Map<string, { readonly runId: string; readonly sink: Sink; runs: number }>();
  let examined = 0;
  for await (const run of client.listRuns({ signal })) {
    for (const sink of run.sinks) {
      if (sink.lastError === "" && sinkState(sink) !== "refused") continue;
      const key = `${sink.spec}\n${sink.lastError}`;
      const known = troubles.get(key);
      if (known === undefined) troubles.set(key, { runId: run.runId, sink, runs: 1 });
      else known.runs += 1;
    }
    examined += 1;
    if (examined >= RUNS_EXAMINED) break;
  }
  if (troubles.size === 0) return [ok("sinks", `No trouble in the newest ${count(examined)} runs.`)];
  return [...troubles.values()].map(({ runId, sink, runs }) =>
    problem(
      "sinks",
      `${sink.spec} is ${sinkState(sink)} for ${count(runs)} ${runs === 1 ? "run" : "runs"}: ${sink.lastError || "see its notes"}`,
      `Look at \`pkx runs show ${runId}\`; mend the tool or the spec, and delivery goes on by itself.`,
    ),
  );
}
