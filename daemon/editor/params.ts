/** Params of the Language Server Protocol 3.17, as far as this server reads them; more fields may stand beside them. */
import { z } from "zod";

const whole = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const position = z.object({ line: whole, character: whole });
const range = z.object({ start: position, end: position });
const textDocument = z.object({ uri: z.string() });
const folder = z.object({ uri: z.string(), name: z.string() });
/** Versions come from the client as they are; they are told back to it, and nothing else. */
const version = z
  .number()
  .int()
  .nullish()
  .transform((it) => it ?? 0);

/** Part of what a client says that it can do; read as nothing where it is wrong: an empty table of Lua is written as `[]`. */
const group = <S extends z.ZodRawShape>(shape: S) => z.looseObject(shape).optional().catch(undefined);
const can = z.boolean().optional().catch(undefined);
const refreshes = group({ refreshSupport: can });

/** What the client can do. A group that is missing says that it cannot. */
const capabilities = z.looseObject({
  workspace: group({
    configuration: can,
    inlayHint: refreshes,
    codeLens: refreshes,
    diagnostics: refreshes,
    didChangeConfiguration: group({ dynamicRegistration: can }),
  }),
  textDocument: group({
    /** Whatever it is, it is there. */
    diagnostic: z.unknown().optional(),
    hover: group({ contentFormat: z.array(z.string()).optional().catch(undefined) }),
  }),
});

export const PARAMS = {
  initialize: z.object({
    processId: z.number().int().positive().nullish(),
    rootUri: z.string().nullish(),
    rootPath: z.string().nullish(),
    workspaceFolders: z.array(folder).nullish(),
    capabilities: capabilities.nullish(),
    initializationOptions: z.unknown().optional(),
    clientInfo: z.looseObject({ name: z.string(), version: z.string().optional() }).nullish(),
  }),
  didOpen: z.object({
    textDocument: z.object({ uri: z.string(), languageId: z.string(), version, text: z.string() }),
  }),
  didChange: z.object({
    textDocument: z.object({ uri: z.string(), version }),
    contentChanges: z.array(z.object({ range: range.optional(), text: z.string() })),
  }),
  /** didClose, didSave, and requests about a whole file. */
  file: z.object({ textDocument }),
  place: z.object({ textDocument, position }),
  stretch: z.object({ textDocument, range }),
  codeAction: z.object({
    textDocument,
    range,
    context: z.looseObject({ diagnostics: z.array(z.looseObject({ range, message: z.string() })) }),
  }),
  symbols: z.object({ query: z.string() }),
  execute: z.object({ command: z.string(), arguments: z.array(z.unknown()).nullish() }),
  didChangeConfiguration: z.object({ settings: z.unknown().optional() }),
  didChangeWorkspaceFolders: z.object({
    event: z.object({ added: z.array(folder), removed: z.array(folder) }),
  }),
} as const;

export type InitializeParams = z.infer<typeof PARAMS.initialize>;
export type DidOpenParams = z.infer<typeof PARAMS.didOpen>;
export type DidChangeParams = z.infer<typeof PARAMS.didChange>;
