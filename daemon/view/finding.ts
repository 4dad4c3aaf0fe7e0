import { type Client, connect } from "@pipekit/experiment";
import { isAway } from "./aborting.ts";
import type { ViewOptions } from "./view.ts";

/** Who asks waits this long for a daemon that is being started, milliseconds. */
const START_MS = 10_000;

/** A client that never starts a daemon: its streams find one again by themselves, in the background. Throws what `connect` does. */
export function find({ stateFolder, endpoint, env }: ViewOptions, signal: AbortSignal): Promise<Client> {
  return connect({ stateFolder, endpoint, env, signal, start: false });
}

/** The same, after the daemon was started where none answers; `begins` is called before that. */
export async function findOrStart(
  options: ViewOptions,
  signal: AbortSignal,
  begins: () => void,
): Promise<Client> {
  return find(options, signal).catch(async (error: unknown) => {
    if (!isAway(error)) throw error;
    begins();
    const { stateFolder, endpoint, env } = options;
    const starter = await connect({ stateFolder, endpoint, env, signal, timeoutMs: START_MS });
    starter.close();
    return find(options, signal);
  });
}
