import { endpointName, runtimeFolder, socketPath, stateFolder } from "@pipekit/experiment";
import type { Context } from "./context.ts";

/** Where the daemon of a command is, by the rules of the clients. */
export interface Location {
  readonly state: string;
  readonly runtime: string;
  readonly socket: string;
  /** Whether it is reached over TCP: then `socket` is its address. */
  readonly remote: boolean;
  /** Whether an endpoint was named, which may lead to another host: by TCP, or by a socket that ssh forwards. */
  readonly named: boolean;
}

export function locate({ options, terminal: { env } }: Context): Location {
  const state = options.stateDir ?? stateFolder(env);
  const runtime = runtimeFolder(env);
  const named = endpointName({ stateFolder: options.stateDir }, env);
  const socket = named?.replace(/^unix:(\/\/)?/, "") ?? socketPath(runtime, state);
  return { state, runtime, socket, remote: socket.startsWith("https:"), named: named !== undefined };
}
