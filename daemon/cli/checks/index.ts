/** All checks of `pkx doctor`, in the order in which a person reads them. */
import type { Client } from "@pipekit/experiment";
import { stateLayout } from "../../config/index.ts";
import type { Context } from "../context.ts";
import { type Location, locate } from "../locate.ts";
import { checkDisks } from "./disks.ts";
import { type Finding, failed, note } from "./finding.ts";
import { checkFolders } from "./folders.ts";
import { checkJournal } from "./journal.ts";
import { checkLastStart } from "./last-start.ts";
import { checkLeftovers } from "./leftovers.ts";
import { checkProgram } from "./program.ts";
import { checkRegistries } from "./registries.ts";
import { checkDaemon, checkLock, checkSocket, lookForDaemon } from "./service.ts";
import { checkAddresses, readSettings, type Settings } from "./settings.ts";
import { checkDeadLetters, checkRuns } from "./sinks.ts";
import { checkTrackers } from "./trackers.ts";

export type { Finding } from "./finding.ts";

/** Looks at everything; starts no daemon. */
export async function examine(context: Context): Promise<Finding[]> {
  const location = locate(context);
  const settings = await readSettings(context);
  const { config } = settings;
  return [
    ...(await each("program", context, () => checkProgram(context))),
    ...(await each("folders", context, () => checkFolders(context, location))),
    ...(await each("disks", context, () => checkDisks(location))),
    ...settings.findings,
    ...(await each("trackers", context, () => config && checkTrackers(context, config))),
    ...(location.remote
      ? await checkRemote(context, location)
      : await checkHere(context, location, settings)),
  ];
}

/** What a check finds. One that fails itself is told as a problem, and the others go on. */
async function each(
  check: string,
  { signal }: Context,
  look: () => Promise<readonly Finding[]> | readonly Finding[] | undefined,
): Promise<readonly Finding[]> {
  try {
    return (await look()) ?? [];
  } catch (error) {
    signal.throwIfAborted();
    return [failed(check, error)];
  }
}

async function checkRemote(context: Context, { socket }: Location): Promise<Finding[]> {
  return [note("socket", `The daemon is at ${socket}.`), ...(await checkInside(context, true))];
}

async function checkHere(context: Context, location: Location, { config }: Settings): Promise<Finding[]> {
  const { state, socket } = location;
  const answerer = await lookForDaemon(socket);
  const running = answerer.kind === "daemon";
  const around = [
    checkSocket(location, answerer),
    ...(await each("lock", context, () => checkLock(location, answerer))),
  ];
  const leftovers = await each("leftovers", context, () => checkLeftovers(location, running));
  if (running) return [...around, ...(await checkInside(context, false)), ...leftovers];
  const free = config !== undefined && answerer.kind !== "stranger";
  return [
    ...around,
    ...checkLastStart(stateLayout(state).logFile),
    ...(free ? await checkAddresses(config) : []),
    ...(await each("journal", context, () => checkJournal(context, location))),
    ...leftovers,
  ];
}

function checkInside(context: Context, remote: boolean): Promise<readonly Finding[]> {
  const { signal } = context;
  const look = async (client: Client) => {
    const status = await client.status({ signal });
    return [
      ...checkDaemon(client, status, remote),
      checkDeadLetters(status),
      ...(await each("sinks", context, () => checkRuns(client, signal))),
      ...(await each("registries", context, () => checkRegistries(client, signal))),
    ];
  };
  return each("daemon", context, () => context.withClient(look, false));
}
