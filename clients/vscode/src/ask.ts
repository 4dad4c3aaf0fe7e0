/** Asks the language server. Throws its error, whose `data` is an EditorFailure. */
import type { EditorMethod, EditorParams, EditorResults } from "@pipekit/proto/editor";

export type Ask = <M extends EditorMethod>(method: M, params: EditorParams<M>) => Promise<EditorResults[M]>;
