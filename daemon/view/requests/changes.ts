/** Requests that change something. Each is refused where whoever asks may only look. */
import { PipekitError, type Registry, type TagMove } from "@pipekit/experiment";
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { callOnce } from "../calling.ts";
import { tagMoveDocument } from "../documents/models.ts";
import type { Answer, Desk } from "./desk.ts";
import type { Checked } from "./params.ts";

/** A move of a tag that is to begin where a person saw it. */
interface Move {
  readonly ref: string;
  readonly tag: string;
  readonly expectedHash: string;
  readonly reason: string;
  readonly signal: AbortSignal | undefined;
}

/**
 * Moves a tag from where the person saw it, and from nowhere else; one that leads to the model already is left alone.
 * Throws TAG_CONFLICT.
 */
export const promote: Answer<"pipekit/promote"> = async (desk, { registry, ...move }, signal) => {
  checkMayChange(desk, "pipekit/promote");
  const made = await callOnce(
    desk.link,
    (client) => point(client.registry(registry), { ...move, signal }),
    signal,
  );
  return { move: told(desk, registry, made) };
};

/**
 * Not by the daemon's RollbackTag, which goes back from wherever the tag is by then: a person chose by what was shown. The
 * place is found in the history, as RollbackTag finds it, and the tag is moved there from `expectedHash` alone.
 * Throws TAG_CONFLICT, and REF_NOT_FOUND when the tag led to fewer models.
 */
export const rollback: Answer<"pipekit/rollback"> = async (desk, params, signal) => {
  checkMayChange(desk, "pipekit/rollback");
  const { registry, tag, expectedHash } = params;
  const made = await callOnce(
    desk.link,
    async (client) => {
      const models = client.registry(registry);
      const place = await placeBefore(models, params, signal);
      const reason = params.reason === "" ? `rollback to move ${place.seq}` : params.reason;
      return point(models, { ref: place.hash, tag, expectedHash, reason, signal });
    },
    signal,
  );
  return { move: told(desk, registry, made) };
};

export const redrive: Answer<"pipekit/redrive"> = async (desk, { runId, ids }, signal) => {
  checkMayChange(desk, "pipekit/redrive");
  const { taken, refused, waiting } = await callOnce(
    desk.link,
    (client) => client.delivery.redrive({ runId, ids, signal }),
    signal,
  );
  return { taken, refused, waiting };
};

async function point(models: Registry, { ref, tag, expectedHash, reason, signal }: Move): Promise<TagMove> {
  // Without `force` a tag moves only where there was none: that is what an empty hash expects.
  const force = expectedHash !== "";
  try {
    return await models.tag(ref, tag, { force, expectedHash, reason, signal });
  } catch (error) {
    if (!(error instanceof PipekitError) || error.code !== "TAG_EXISTS") throw error;
    throw conflict(tag, error.message, error);
  }
}

/**
 * The move that led to the model to which the tag led `steps` models ago. Deletions lead to no model, and a model that
 * was led to twice in a row counts once.
 */
async function placeBefore(
  models: Registry,
  { tag, expectedHash, steps }: Checked<"pipekit/rollback">,
  signal: AbortSignal | undefined,
): Promise<TagMove> {
  let place: string | undefined;
  let left = steps;
  for await (const move of models.history(tag, { signal })) {
    if (place === undefined) {
      if (move.hash !== expectedHash) {
        const now = move.hash === "" ? "was deleted" : `points to ${move.hash}`;
        throw conflict(tag, `The tag \`${tag}\` ${now}.`);
      }
      place = move.hash;
    } else if (move.hash !== "" && move.hash !== place) {
      place = move.hash;
      if (--left === 0) return move;
    }
  }
  throw new PipekitError("REF_NOT_FOUND", `The tag \`${tag}\` led to fewer than ${steps} models before.`, {
    field: "steps",
    mend: "Look at its history for where it led.",
  });
}

function told(desk: Desk, registry: string, made: TagMove): TagMoveDocument {
  const move = tagMoveDocument(made);
  desk.models(registry).made(move);
  return move;
}

function checkMayChange(desk: Desk, method: string): void {
  if (desk.link.status.mayChange) return;
  throw new PipekitError(
    "INVALID_ARGUMENT",
    "This view may only look: it changes no tag and sends nothing.",
    {
      field: method,
      mend: "Use `pkx` in a terminal, or open the view without read-only.",
    },
  );
}

function conflict(tag: string, message: string, cause?: unknown): PipekitError {
  return new PipekitError("TAG_CONFLICT", message, {
    field: "tag",
    mend: `Look at the history of \`${tag}\`, then decide again.`,
    cause,
  });
}
