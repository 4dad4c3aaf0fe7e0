import { setTimeout as sleep } from "node:timers/promises";
import { PipekitError } from "@pipekit/proto";
import { readDaemonInfo, StateLock } from "./lock.ts";
import { removeDeadSocket, whoAnswers } from "./socket.ts";

const ANSWER_TIMEOUT_MS = 2000;
const RETRY_MS = 50;

/** What to claim: the lock of a state folder and the socket that belongs to it. */
export interface Claim {
  readonly lockFile: string;
  readonly infoFile: string;
  readonly socketPath: string;
  /** How long to wait for a daemon that holds the lock and does not answer yet, milliseconds. */
  readonly patienceMs: number;
}

/** The lock is ours and the socket path is free; or a daemon runs already (pid 0 when it did not tell). */
export type ClaimResult =
  | { readonly kind: "claimed"; readonly lock: StateLock }
  | { readonly kind: "running"; readonly pid: number };

/**
 * Makes this process the daemon of its state folder: takes the lock, looks again whether the socket is alive, and
 * removes a dead one. Of many that race one claims; the others learn who runs.
 * Throws PipekitError DAEMON_UNAVAILABLE when the holder does not answer, or something else has the socket.
 */
export async function claimState(claim: Claim): Promise<ClaimResult> {
  const deadline = performance.now() + claim.patienceMs;
  while (true) {
    const lock = StateLock.take(claim.lockFile);
    if (lock !== undefined) {
      try {
        return await claimSocket(claim, lock);
      } catch (error) {
        lock.release();
        throw error;
      }
    }
    const answer = await whoAnswers(claim.socketPath, ANSWER_TIMEOUT_MS);
    if (answer.kind === "daemon") return { kind: "running", pid: answer.pid };
    if (performance.now() >= deadline) throw notAnswering(claim);
    await sleep(RETRY_MS);
  }
}

async function claimSocket(claim: Claim, lock: StateLock): Promise<ClaimResult> {
  const answer = await whoAnswers(claim.socketPath, ANSWER_TIMEOUT_MS);
  switch (answer.kind) {
    case "nothing":
      return { kind: "claimed", lock };
    case "dead":
      removeDeadSocket(claim.socketPath);
      return { kind: "claimed", lock };
    case "daemon":
      lock.release();
      return { kind: "running", pid: answer.pid };
    case "stranger":
      throw new PipekitError(
        "DAEMON_UNAVAILABLE",
        `What is at ${claim.socketPath} is no daemon of ours: it ${answer.fault}.`,
        {
          field: claim.socketPath,
          mend: "Stop what listens there and remove the file, or set PKX_RUNTIME_DIR to another folder.",
        },
      );
  }
}

function notAnswering(claim: Claim): PipekitError {
  const pid = readDaemonInfo(claim.infoFile)?.pid;
  const who = pid === undefined ? "Another process" : `Another process (a daemon had pid ${pid})`;
  return new PipekitError("DAEMON_UNAVAILABLE", `${who} holds ${claim.lockFile} and does not answer.`, {
    field: claim.lockFile,
    mend: "If it hangs, end it with kill -9 and start again; look at `pkx doctor`.",
  });
}
