import type { EditorMethod, EditorResults } from "@pipekit/proto/editor";
import type { Link } from "../link.ts";
import type { LiveModelIndex } from "../model-index.ts";
import type { LiveRunIndex } from "../run-index.ts";
import type { Checked } from "./params.ts";

/** What requests are answered from. */
export interface Desk {
  readonly link: Link;
  readonly runs: LiveRunIndex;
  models(registry: string): LiveModelIndex;
}

/** Methods that belong to a session; the others are answered alike to everybody. */
export type SessionMethod = "pipekit/follow" | "pipekit/unfollow";
export type DeskMethod = Exclude<EditorMethod, SessionMethod>;

/** Answers a request. Throws what the daemon's call throws, or the signal's reason. */
export type Answer<M extends EditorMethod> = (
  desk: Desk,
  params: Checked<M>,
  signal: AbortSignal | undefined,
) => Promise<EditorResults[M]>;
