/** What this server can do, and what its client can. */
import { EDITOR_PARAMS, EDITOR_PROTOCOL } from "@pipekit/proto/editor";
import type { InitializeResult, TextDocumentSyncKind } from "vscode-languageserver/node";
import { VERSION } from "../version.ts";
import type { InitializeParams } from "./params.ts";

const INCREMENTAL: TextDocumentSyncKind = 2;

/** `commands`: those of `workspace/executeCommand`. */
export function initializeResult(commands: readonly string[]): InitializeResult {
  return {
    serverInfo: { name: "pipekit", version: VERSION },
    capabilities: {
      // The only one that every client must know, and that of JavaScript's strings.
      positionEncoding: "utf-16",
      textDocumentSync: { openClose: true, change: INCREMENTAL, save: true },
      hoverProvider: true,
      completionProvider: { triggerCharacters: ['"', "'", "/", ":", "@"] },
      diagnosticProvider: {
        identifier: "pipekit",
        interFileDependencies: false,
        workspaceDiagnostics: false,
      },
      inlayHintProvider: true,
      documentLinkProvider: {},
      codeLensProvider: {},
      codeActionProvider: true,
      workspaceSymbolProvider: true,
      executeCommandProvider: { commands: [...commands] },
      workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
      experimental: {
        pipekit: { editorProtocol: EDITOR_PROTOCOL, methods: Object.keys(EDITOR_PARAMS) },
      },
    },
  };
}

/** What the client can do, as far as it matters here. */
export interface ClientAbilities {
  /** It asks for diagnostics; otherwise they are sent. */
  readonly pullsDiagnostics: boolean;
  /** Its hovers show Markdown; so do those of a client that says nothing about it. */
  readonly markdown: boolean;
  readonly configuration: boolean;
  /** It takes a registration for `workspace/didChangeConfiguration`. */
  readonly registersConfiguration: boolean;
  /** Requests that make it ask anew. */
  readonly refreshes: readonly string[];
}

export function clientAbilities({ capabilities }: InitializeParams): ClientAbilities {
  const { workspace, textDocument } = capabilities ?? {};
  const pullsDiagnostics = textDocument?.diagnostic != null;
  return {
    pullsDiagnostics,
    markdown: textDocument?.hover?.contentFormat?.includes("markdown") !== false,
    configuration: workspace?.configuration === true,
    registersConfiguration: workspace?.didChangeConfiguration?.dynamicRegistration === true,
    refreshes: [
      ...(pullsDiagnostics && workspace?.diagnostics?.refreshSupport ? ["workspace/diagnostic/refresh"] : []),
      ...(workspace?.inlayHint?.refreshSupport ? ["workspace/inlayHint/refresh"] : []),
      ...(workspace?.codeLens?.refreshSupport ? ["workspace/codeLens/refresh"] : []),
    ],
  };
}
