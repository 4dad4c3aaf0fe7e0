/** What an index tells of a ref, without asking anybody. */
import { PipekitError, parseRef, type Ref } from "@pipekit/proto";
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import type { ModelIndex } from "../../view/index.ts";

export type Lookup =
  | {
      readonly kind: "model";
      readonly ref: Ref;
      readonly hash: string;
      readonly model: ModelBrief | undefined;
      /** The tag's last move, when the ref is the name of a tag. */
      readonly move: TagMoveDocument | undefined;
    }
  /** Nothing of that name. */
  | { readonly kind: "missing"; readonly ref: Ref }
  /** A prefix that several models have. */
  | { readonly kind: "ambiguous"; readonly hashes: readonly string[] }
  | { readonly kind: "malformed"; readonly failure: PipekitError }
  /** The index cannot tell. */
  | { readonly kind: "unknown"; readonly ref: Ref };

export function lookUp(index: ModelIndex, text: string): Lookup {
  const ref = parsed(text);
  if (ref instanceof PipekitError) return { kind: "malformed", failure: ref };
  if (!index.filled) return { kind: "unknown", ref };
  if (ref.kind === "hash") return ofHash(index, ref, ref.hash);
  if (ref.kind === "prefix") return ofPrefix(index, ref, ref.prefix);
  const move = index.tag(ref.name);
  if (move === undefined || move.hash === "") return { kind: "missing", ref };
  if (ref.kind === "tag") return ofMove(index, ref, move, move.hash);
  const back = ref.kind === "move" ? move.seq - ref.seq : ref.steps;
  if (back < 0 || back >= move.seq) return { kind: "missing", ref };
  if (back === 0) return ofMove(index, ref, move, move.hash);
  // Where the tag led before its last move is known; further back, or where it had been deleted, the history tells.
  if (back > 1 || move.previousHash === "") return { kind: "unknown", ref };
  return ofMove(index, ref, undefined, move.previousHash);
}

/** Why a text is no ref wherever it is looked up; undefined for one that may be one. */
export function refFault(text: string): PipekitError | undefined {
  const ref = parsed(text);
  return ref instanceof PipekitError ? ref : undefined;
}

function parsed(text: string): Ref | PipekitError {
  try {
    return parseRef(text);
  } catch (error) {
    if (error instanceof PipekitError) return error;
    throw error;
  }
}

function ofMove(index: ModelIndex, ref: Ref, move: TagMoveDocument | undefined, hash: string): Lookup {
  return { kind: "model", ref, hash, model: index.model(hash), move };
}

function ofHash(index: ModelIndex, ref: Ref, hash: string): Lookup {
  const model = index.model(hash);
  return model === undefined
    ? { kind: "missing", ref }
    : { kind: "model", ref, hash, model, move: undefined };
}

function ofPrefix(index: ModelIndex, ref: Ref, prefix: string): Lookup {
  const model = index.model(prefix);
  if (model !== undefined) return { kind: "model", ref, hash: model.hash, model, move: undefined };
  const hashes = index
    .find(prefix, MOST_FOUND)
    .map(({ hash }) => hash)
    .filter((hash) => hash.startsWith(prefix));
  return hashes.length > 1 ? { kind: "ambiguous", hashes } : { kind: "missing", ref };
}

const MOST_FOUND = 20;
