import type { EditorResults } from "@pipekit/proto/editor";
import { promote, redrive, rollback } from "./changes.ts";
import type { Answer, Desk, DeskMethod } from "./desk.ts";
import { model, models, resolve, tagHistory, tags } from "./models.ts";
import { type Checked, checkedParams } from "./params.ts";
import { deadLetters, metrics, run, runs } from "./runs.ts";

const ANSWERS: { readonly [M in DeskMethod]: Answer<M> } = {
  "pipekit/daemon": daemon,
  "pipekit/runs": runs,
  "pipekit/run": run,
  "pipekit/metrics": metrics,
  "pipekit/deadLetters": deadLetters,
  "pipekit/redrive": redrive,
  "pipekit/models": models,
  "pipekit/model": model,
  "pipekit/tags": tags,
  "pipekit/tagHistory": tagHistory,
  "pipekit/resolve": resolve,
  "pipekit/promote": promote,
  "pipekit/rollback": rollback,
};

/** Answers a request that belongs to no session. Throws INVALID_ARGUMENT that names the param, and what the answer throws. */
export async function answer<M extends DeskMethod>(
  desk: Desk,
  method: M,
  params: unknown,
  signal: AbortSignal | undefined,
): Promise<EditorResults[M]> {
  const checked: Checked<M> = checkedParams(method, params);
  signal?.throwIfAborted();
  return ANSWERS[method](desk, checked, signal);
}

/** Never fails: how the daemon is, looked for at this moment where it was not there. */
async function daemon({ link }: Desk, _: unknown, signal: AbortSignal | undefined) {
  await link.connected(signal).catch(() => signal?.throwIfAborted());
  return link.status;
}
