/** An older daemon makes place for the one that came with this client, as soon as nobody uses it. */
import { DaemonServiceClient, type HelloResponse, PipekitError, PROTOCOL_MAX } from "@pipekit/proto";
import { isUnavailable, isUnimplemented, unary } from "./calls.ts";
import { VERSION } from "./channel.ts";
import type { Endpoint } from "./endpoint.ts";

const ANSWER_MS = 5_000;

/** Why a daemon stays as it is; `later` when asking again may help. */
interface Stay {
  readonly reason: string;
  readonly later: boolean;
}

/** Whether a daemon that could be used as it is leaves, because it is older than this client and nobody uses it. */
export async function leavesForThis(
  endpoint: Endpoint,
  { daemonVersion, capabilities }: HelloResponse,
): Promise<boolean> {
  if (daemonVersion === VERSION || !capabilities.includes("hand_over")) return false;
  return (await askToLeave(endpoint)) === undefined;
}

/**
 * Asks a daemon that shares no protocol version with this client to leave. Undefined when it does; else the mismatch, with
 * why it stays. Throws that when asking again does not help.
 */
export async function mismatchUnlessLeaving(
  endpoint: Endpoint,
  mismatch: PipekitError,
): Promise<PipekitError | undefined> {
  const stay = await askToLeave(endpoint);
  if (stay === undefined) return undefined;
  const { field, mend } = mismatch;
  const message = `${mismatch.message} ${stay.reason}`;
  const fault = new PipekitError("PROTOCOL_MISMATCH", message, { field, mend, cause: mismatch });
  if (!stay.later) throw fault;
  return fault;
}

/** Whether client and daemon share no protocol version. */
export function isMismatch(error: unknown): error is PipekitError {
  return error instanceof PipekitError && error.code === "PROTOCOL_MISMATCH";
}

/** Undefined when the daemon leaves, or is gone. */
async function askToLeave(endpoint: Endpoint): Promise<Stay | undefined> {
  const client = new DaemonServiceClient(endpoint.target, endpoint.credentials(), {
    ...endpoint.options,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
  });
  const newcomer = { version: VERSION, protocolMax: PROTOCOL_MAX };
  try {
    const answer = await unary(client.handOver.bind(client), newcomer, { timeoutMs: ANSWER_MS });
    return answer.leaving ? undefined : answer;
  } catch (error) {
    if (isUnimplemented(error)) return { reason: "It is too old to be asked to leave.", later: false };
    if (isUnavailable(error)) return undefined;
    throw error;
  } finally {
    client.close();
  }
}
