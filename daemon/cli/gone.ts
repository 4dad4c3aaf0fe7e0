/** Waits until a daemon that was told to stop is gone. */
import { setTimeout as sleep } from "node:timers/promises";
import { PipekitError } from "@pipekit/experiment";
import { liveProcess } from "../lifecycle/index.ts";
import type { Context } from "./context.ts";
import { locate } from "./locate.ts";

const POLL_MS = 25;
const AFAR_POLL_MS = 250;
const TIMEOUT_MS = 15_000;

/** What a daemon said of itself: its pid, and when it started, unix microseconds. */
export interface StoppedDaemon {
  readonly pid: number;
  readonly startedAtUs: number;
}

/** False when it is still there after 15 seconds. */
export async function untilGone(context: Context, daemon: StoppedDaemon): Promise<boolean> {
  const afar = locate(context).named;
  const deadline = Date.now() + TIMEOUT_MS;
  while (afar ? await answers(context, daemon) : isHere(daemon)) {
    if (Date.now() > deadline) return false;
    await sleep(afar ? AFAR_POLL_MS : POLL_MS, undefined, { signal: context.signal });
  }
  return true;
}

/** One that only waits for its parent, a client that has started it, is gone. */
function isHere({ pid }: StoppedDaemon): boolean {
  return liveProcess(pid) !== undefined;
}

/** On another host a pid means nothing here. One that was started since, by a service manager, is another. */
async function answers(context: Context, { startedAtUs }: StoppedDaemon): Promise<boolean> {
  try {
    const now = await context.withClient((client) => client.status({ signal: context.signal }), false);
    return now.startedAtUs === startedAtUs;
  } catch (error) {
    if (error instanceof PipekitError && error.code === "DAEMON_UNAVAILABLE") return false;
    throw error;
  }
}
