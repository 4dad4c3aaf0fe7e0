/** Fan-in as the config asks for it: its stream and its code are loaded only then. */
import { join } from "node:path";
import { SpecError } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import { invalid } from "./access/index.ts";
import type { Config } from "./config/index.ts";
import type { FanIn } from "./fan-in/index.ts";
import { type Journal, openForeignJournal } from "./journal/index.ts";
import type { HostedDelivery } from "./rooms.ts";
import { type ForwardedParts, forwardedTarget } from "./rpc/forwarded.ts";

export interface ForwardingParts extends ForwardedParts {
  readonly config: Pick<Config, "bridge" | "fanIn">;
  readonly stateFolder: string;
  readonly journal: Pick<Journal, "lastSeq" | "onCommit">;
  readonly log: Logger;
}

/** Undefined where the config names no stream. Throws INVALID_DAEMON_CONFIG. */
export async function openForwarding(parts: ForwardingParts): Promise<FanIn | undefined> {
  const { config, stateFolder, journal, log } = parts;
  const { bridge, fanIn } = config;
  if (bridge === undefined && fanIn === undefined) return undefined;
  const [{ openFanIn }, { natsStream }] = await Promise.all([
    import("./fan-in/index.ts"),
    import("@pipekit/adapters/nats"),
  ]);
  const check = (spec: string) => natsStream.parse(spec);
  const [out, into] = [parsed("bridge", bridge, check), parsed("fan_in", fanIn, check)];
  if (out !== undefined && out === into) {
    throw invalid(
      "fan_in",
      "A daemon would take from the stream what it publishes there.",
      "Name one of the two.",
    );
  }
  return openFanIn({
    bridge,
    fanIn,
    kind: natsStream,
    env: process.env,
    stateFolder,
    journal,
    openFrames: () => openForeignJournal(join(stateFolder, "journal.db"), log),
    target: forwardedTarget(parts),
    log,
  });
}

/** Delivery that is done only when the other daemon can get everything, too. */
export function withForwarding(delivery: HostedDelivery, fanIn: FanIn | undefined): HostedDelivery {
  if (fanIn === undefined) return delivery;
  return {
    start: () => delivery.start(),
    stop: (deadlineMs) => delivery.stop(deadlineMs),
    whenDelivered: (timeoutMs, signal) =>
      Promise.all([delivery.whenDelivered(timeoutMs, signal), fanIn.whenPublished(timeoutMs, signal)]),
  };
}

function parsed(
  field: string,
  spec: string | undefined,
  check: (spec: string) => string,
): string | undefined {
  if (spec === undefined) return undefined;
  try {
    return check(spec);
  } catch (error) {
    if (error instanceof SpecError)
      throw invalid(field, `The setting ${field} is wrong: ${error.message}`, error.mend);
    throw error;
  }
}
