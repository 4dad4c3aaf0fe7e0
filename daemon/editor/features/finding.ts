/** What a ref stands for now: the daemon is asked, and where it does not answer at once, the index tells what it knew. */
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import type { Knowledge } from "./knowledge.ts";
import { type Lookup, lookUp } from "./lookup.ts";
import { within } from "./within.ts";

export interface Finding {
  readonly registry: string;
  readonly lookup: Lookup;
  /** Unix microseconds of the index, when the daemon did not confirm it; undefined when it did. */
  readonly asOfUs: number | undefined;
}

/** A person who moves the pointer waits no longer where there is something to show, milliseconds. */
const PATIENCE_MS = 50;
/** And no longer than this where nothing is known yet: the daemon is being found, or a registry is read for the first time. */
const FIRST_MS = 1000;

/** How long to wait for more than is known. */
export function patience(isKnown: boolean): number {
  return isKnown ? PATIENCE_MS : FIRST_MS;
}

/** Throws the signal's reason. */
export async function find(
  knowledge: Knowledge,
  registry: string,
  ref: string,
  signal: AbortSignal,
): Promise<Finding> {
  const index = knowledge.models(registry);
  const known = lookUp(index, ref);
  if (known.kind === "malformed") return { registry, lookup: known, asOfUs: undefined };
  const unconfirmed = { registry, lookup: known, asOfUs: index.readAtUs };
  if (knowledge.isAway) return unconfirmed;
  const answer = await within(patience(index.filled), signal, async (limit) => {
    const { hash, move } = await knowledge.context.view.ask("pipekit/resolve", { registry, ref }, limit);
    const model = index.model(hash) ?? (await modelOf(knowledge, registry, hash, limit));
    return { hash, move, model };
  });
  if (answer.kind === "late") return unconfirmed;
  if (answer.kind === "failure") {
    const isMissing = answer.failure.code === "REF_NOT_FOUND" && known.kind !== "ambiguous";
    if (!isMissing || !("ref" in known)) return unconfirmed;
    return { registry, lookup: { kind: "missing", ref: known.ref }, asOfUs: undefined };
  }
  const { hash, move, model } = answer.value;
  if (!("ref" in known)) return unconfirmed;
  const last = known.ref.kind === "tag" ? newer(move, index.tag(known.ref.name)) : undefined;
  return { registry, lookup: { kind: "model", ref: known.ref, hash, model, move: last }, asOfUs: undefined };
}

/** A model that the index has not seen yet; undefined when it cannot be read. */
async function modelOf(
  knowledge: Knowledge,
  registry: string,
  hash: string,
  signal: AbortSignal,
): Promise<ModelBrief | undefined> {
  try {
    return await knowledge.context.view.ask("pipekit/model", { registry, ref: hash }, signal);
  } catch {
    return undefined;
  }
}

function newer(
  told: TagMoveDocument | undefined,
  known: TagMoveDocument | undefined,
): TagMoveDocument | undefined {
  return (told?.seq ?? 0) >= (known?.seq ?? 0) ? told : known;
}
