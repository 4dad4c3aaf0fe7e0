/** A run that is to go on, whether it is there or not. */
import { type Frame, PipekitError } from "@pipekit/proto";
import type { Delivery } from "../delivery/index.ts";
import type { AppendResult, Journal, RunEntry } from "../journal/index.ts";

/** Where a frame goes. */
export interface ResumingParts {
  readonly journal: Pick<Journal, "append" | "run">;
  readonly delivery: Pick<Delivery, "addSinks">;
}

/**
 * Appends a frame. Of one that begins with a resume and then a start only one of the two is journaled: the start where
 * there is no such run, else the resume; the run then keeps what it was started with, and `sinks` are added to it. Throws
 * what the journal throws, and STORAGE_FULL for the sinks.
 */
export async function appendEither(
  { journal, delivery }: ResumingParts,
  frame: Frame,
  sinks: readonly string[],
): Promise<AppendResult> {
  const [resume, start, ...rest] = frame.records;
  if (resume?.record?.$case !== "resume" || start?.record?.$case !== "start") {
    return journal.append(frame, sinks);
  }
  if ((await runOf(journal, frame.runId)) === undefined) {
    try {
      return await journal.append({ ...frame, records: [start, ...rest] }, sinks);
    } catch (error) {
      // Another process has started it meanwhile.
      if (!(error instanceof PipekitError) || error.code !== "RUN_EXISTS") throw error;
    }
  }
  const known = await runOf(journal, frame.runId);
  if (known?.prunedAtUs === 0) await delivery.addSinks(frame.runId, sinks);
  return journal.append({ ...frame, records: [resume, ...rest] }, []);
}

async function runOf(journal: Pick<Journal, "run">, runId: string): Promise<RunEntry | undefined> {
  try {
    return await journal.run(runId);
  } catch (error) {
    if (error instanceof PipekitError && error.code === "RUN_NOT_FOUND") return undefined;
    throw error;
  }
}
