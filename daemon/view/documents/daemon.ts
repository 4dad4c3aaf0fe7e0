import { endpointName, runtimeFolder, socketPath, stateFolder } from "@pipekit/experiment";
import { type DaemonDocument, EDITOR_PROTOCOL } from "@pipekit/proto/editor";
import type { ViewOptions } from "../view.ts";

/** Where the daemon is looked for: as `connect` does. */
export function endpointOf(options: ViewOptions): string {
  const { stateFolder: folder, env = process.env } = options;
  return endpointName(options, env) ?? `unix:${socketPath(runtimeFolder(env), folder ?? stateFolder(env))}`;
}

/** How the daemon is. */
export function statusDocument(
  state: DaemonDocument["state"],
  options: ViewOptions,
  more: Partial<Pick<DaemonDocument, "message" | "mend" | "version">> = {},
): DaemonDocument {
  return {
    state,
    message: state === "connecting" ? "The daemon is being looked for." : "",
    mend: "",
    version: "",
    endpoint: endpointOf(options),
    editorProtocol: EDITOR_PROTOCOL,
    mayChange: options.mayChange !== false,
    ...more,
  };
}

/** Whether a daemon is started where none answers. */
export function mayStart(options: ViewOptions): boolean {
  return options.start !== false && endpointName(options, options.env ?? process.env) === undefined;
}
