/** The requests of the Language Server Protocol that features answer. */
import { unlessAborted } from "@pipekit/proto";
import type { CodeAction, Diagnostic } from "vscode-languageserver/node";
import type { z } from "zod";
import { reasonOf } from "../view/documents/failure.ts";
import type { Features } from "./features/feature.ts";
import type { Log } from "./log.ts";
import type { EditedFile } from "./open-file.ts";
import { PARAMS } from "./params.ts";
import { parsed } from "./wire/failure.ts";

/** Answers one request; throws PipekitError for params that are wrong, or the signal's reason. */
export type Handler = (params: unknown, signal: AbortSignal) => Promise<unknown>;

export interface LanguageContext {
  readonly features: Features;
  readonly log: Log;
  file(uri: string): EditedFile | undefined;
}

/** Handlers by method. A feature that fails is logged and answers with what it has for nothing found. */
export function languageHandlers(context: LanguageContext): ReadonlyMap<string, Handler> {
  const { features } = context;
  const handlers = new Map<string, Handler>();
  const about = <P extends { textDocument: { uri: string } }, R>(
    method: string,
    schema: z.ZodType<P>,
    nothing: R,
    answer: (file: EditedFile, params: P, signal: AbortSignal) => Promise<R>,
  ) => {
    handlers.set(method, async (given, cancelled) => {
      const params = parsed(schema, given, method);
      const file = context.file(params.textDocument.uri);
      if (file === undefined) return nothing;
      return file.work(cancelled, (signal) =>
        orNothing(context.log, method, nothing, signal, () => answer(file, params, signal)),
      );
    });
  };

  about("textDocument/hover", PARAMS.place, null, (file, { position }, signal) =>
    features.hover(file, position, signal),
  );
  about("textDocument/completion", PARAMS.place, null, (file, { position }, signal) =>
    features.complete(file, position, signal),
  );
  about("textDocument/inlayHint", PARAMS.stretch, [], (file, { range }, signal) =>
    features.inlayHints(file, range, signal),
  );
  about("textDocument/documentLink", PARAMS.file, [], (file, _, signal) => features.links(file, signal));
  about("textDocument/codeLens", PARAMS.file, [], (file, _, signal) => features.lenses(file, signal));
  about("textDocument/codeAction", PARAMS.codeAction, [] as CodeAction[], (file, params, signal) =>
    // What else stands in a diagnostic came from here, or is of no interest here.
    features.actions(file, params.range, params.context.diagnostics as Diagnostic[], signal),
  );
  about("textDocument/diagnostic", PARAMS.file, report([]), async (file, _, signal) =>
    report(await features.diagnostics(file, signal)),
  );
  handlers.set("workspace/symbol", async (given, signal) => {
    const { query } = parsed(PARAMS.symbols, given, "workspace/symbol");
    return orNothing(context.log, "workspace/symbol", [], signal, () => features.symbols(query, signal));
  });
  handlers.set("workspace/executeCommand", async (given, signal) => {
    const { command, arguments: args } = parsed(PARAMS.execute, given, "workspace/executeCommand");
    return features.execute(command, args ?? [], signal);
  });
  return handlers;
}

function report(items: readonly Diagnostic[]) {
  return { kind: "full", items };
}

async function orNothing<R>(
  log: Log,
  what: string,
  nothing: R,
  signal: AbortSignal,
  answer: () => Promise<R>,
): Promise<R> {
  try {
    return await unlessAborted(answer(), signal);
  } catch (error) {
    signal.throwIfAborted();
    log.error(`${what} failed: ${reasonOf(error)}`);
    return nothing;
  }
}
