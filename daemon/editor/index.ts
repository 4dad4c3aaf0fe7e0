/**
 * The editor room: the language server (`pkx lsp`). The wire is in `wire/`, one client's life in server.ts and desk.ts,
 * what stands in files in `references/`, what is known about it in `features/` and `checks/`.
 *
 * Architecture Invariant: what is known about runs and models comes from `daemon/view`; this room makes no list of its own.
 */
import { configChecks } from "./checks/index.ts";
import type { Parts } from "./desk.ts";
import { createFeatures } from "./features/index.ts";
import { languageOf, openSource } from "./references/index.ts";
import { EditorServer, type ServerOptions } from "./server.ts";

export type { ServerOptions } from "./server.ts";
export { takeProtocolStreams } from "./stdio.ts";

const PARTS: Parts = {
  features: (context) => createFeatures(context, configChecks(context)),
  openSource: (languageId, text) => {
    const language = languageOf(languageId);
    return language && openSource(language, text);
  },
};

/** Serves one client until it is done or gone; resolves to the exit code: 0 after `shutdown` and `exit`, 1 without. */
export function serveEditor(options: ServerOptions): Promise<number> {
  return new EditorServer(options, PARTS).serve();
}
