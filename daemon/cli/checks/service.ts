/** What the socket and the lock tell, and whether the daemon that answers is the right one. */
import { existsSync } from "node:fs";
import type { Client, StatusResponse } from "@pipekit/experiment";
import { stateLayout } from "../../config/index.ts";
import { bytes, count } from "../../format.ts";
import { type Answerer, readDaemonInfo, StateLock, whoAnswers } from "../../lifecycle/index.ts";
import { VERSION } from "../../version.ts";
import type { Location } from "../locate.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import { checkFiles } from "./program.ts";

const ANSWER_TIMEOUT_MS = 3000;
/** The clocks of one machine are one; what was read earlier may be this much later by rounding, microseconds. */
const GRAIN_US = 2_000_000;

export function lookForDaemon(socket: string): Promise<Answerer> {
  return whoAnswers(socket, ANSWER_TIMEOUT_MS);
}

export function checkSocket({ socket, named }: Location, answerer: Answerer): Finding {
  if (named && (answerer.kind === "nothing" || answerer.kind === "dead")) {
    const mend = "Start it there (`pkx serve`), or unset PKX_ENDPOINT.";
    return problem(
      "socket",
      `No daemon answers at ${socket}, which PKX_ENDPOINT names: clients start none.`,
      mend,
    );
  }
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

export async function checkLock({ state, socket }: Location, answerer: Answerer): Promise<Finding[]> {
  const { lockFile, infoFile } = stateLayout(state);
  if (!existsSync(lockFile)) return [];
  const lock = StateLock.take(lockFile);
  lock?.release();
  const held = lock === undefined;
  if (held === (answerer.kind === "daemon")) return [ok("lock", held ? "Held by the daemon." : "Free.")];
  if (!held) {
    const mend = "Stop it with `pkx stop`; two daemons could write one state folder.";
    return [problem("lock", `The daemon that answers does not hold ${lockFile}.`, mend)];
  }
  const info = readDaemonInfo(infoFile);
  const elsewhere = info?.endpoint.replace(/^unix:/, "");
  if (elsewhere !== undefined && elsewhere !== socket && (await lookForDaemon(elsewhere)).kind === "daemon") {
    const mend = `Reach it with PKX_ENDPOINT=unix:${elsewhere}, or stop it and use one PKX_RUNTIME_DIR everywhere.`;
    return [
      problem("lock", `The daemon of this state folder listens at ${elsewhere}, and not at ${socket}.`, mend),
    ];
  }
  const who = info === undefined ? "A process" : `A process (a daemon had pid ${info.pid})`;
  const mend = "If it is not just starting or stopping, it hangs: end it with kill -9.";
  return [problem("lock", `${who} holds ${lockFile} and does not answer.`, mend)];
}

export function checkDaemon(client: Client, status: StatusResponse, remote: boolean): Finding[] {
  return [
    checkVersion(status.daemonVersion, client.daemon.protocol),
    status.draining
      ? note("daemon", "It is shutting down.")
      : ok("daemon", `Up, ${bytes(status.rssBytes)} of memory.`),
    ok(
      "journal",
      `${count(status.runs)} runs, ${count(status.points)} points, ${bytes(status.journalBytes)}.`,
    ),
    ...status.warnings.map((sentence) =>
      problem("warnings", sentence, "Mend what it names; the daemon looks again by itself."),
    ),
    ...(remote ? [] : [...checkFiles(status.pid, "The daemon"), ...checkClock(status)]),
  ];
}

function checkVersion(version: string, protocol: number): Finding {
  if (version === VERSION) return ok("version", `Version ${version}, protocol ${protocol}.`);
  const message = `The daemon is ${version}, this pkx ${VERSION}.`;
  if (version.localeCompare(VERSION, "en", { numeric: true }) > 0) {
    return note("version", message, "Update this pkx, or call the one that the daemon came with.");
  }
  return note("version", message, "Run `pkx stop`; the next start is the new one.");
}

/** Only where the daemon reads the same clock as we do. */
function checkClock({ startedAtUs }: StatusResponse): Finding[] {
  if (startedAtUs <= Date.now() * 1000 + GRAIN_US) return [];
  const message =
    "This machine's clock went back since the daemon's start: times of points are not in order.";
  return [note("clock", message, "Set the clock, then `pkx stop`; the next daemon begins by the new one.")];
}
