import {
  type DeadLetter,
  type DeadLetterRecords,
  type ListDeadLettersRequest,
  type ListDeadLettersResponse,
  PipekitError,
  type RedriveDeadLettersRequest,
  type RedriveDeadLettersResponse,
} from "@pipekit/proto";
import { allLetters, type Delivery } from "../delivery/index.ts";
import type { DeadLetterEntry, Journal } from "../journal/index.ts";
import { checkPageSize } from "./pages.ts";

/** Lines shown of a dead letter. */
const MAX_LINES = 20;

/** What the calls about dead letters work with. */
export interface DeadLetterParts {
  readonly journal: Pick<Journal, "run" | "deadLetters">;
  readonly delivery: Pick<Delivery, "canonicalSpecs" | "redrive" | "letterLines">;
}

/** A dead letter as the wire shows it. */
export function toDeadLetter({ id, spec, kind, points, reason, atUs, runId }: DeadLetterEntry): DeadLetter {
  return { id, spec, kind, points, reason, atUs, runId };
}

/** One page of dead letters, oldest first. */
export async function listDeadLetters(
  { journal, delivery }: DeadLetterParts,
  { runId, sink, pageSize, afterId, withRecords }: ListDeadLettersRequest,
): Promise<ListDeadLettersResponse> {
  const limit = checkPageSize(pageSize);
  const found = await journal.deadLetters({
    ...(await whichLetters(journal, delivery, runId, sink)),
    afterId,
    limit: limit + 1,
  });
  const page = found.slice(0, limit);
  const records: DeadLetterRecords[] = [];
  // One after another: a page may hold a thousand, each with a read of its own.
  if (withRecords) for (const letter of page) records.push(await recordsOf(delivery, letter));
  return { deadLetters: page.map(toDeadLetter), more: found.length > limit, records };
}

/** Sends dead letters once more. */
export async function redriveDeadLetters(
  { journal, delivery }: DeadLetterParts,
  { runId, sink, ids }: RedriveDeadLettersRequest,
): Promise<RedriveDeadLettersResponse> {
  if (runId === "" && ids.length === 0) {
    throw new PipekitError("INVALID_ARGUMENT", "The request names neither a run nor dead letters.", {
      field: "run_id",
      mend: "Name a run, or the ids of dead letters.",
    });
  }
  const query = { ...(await whichLetters(journal, delivery, runId, sink)), ...(ids.length > 0 && { ids }) };
  const letters: DeadLetterEntry[] = [];
  for await (const letter of allLetters(journal, query)) letters.push(letter);
  return delivery.redrive(letters);
}

async function whichLetters(
  journal: DeadLetterParts["journal"],
  delivery: DeadLetterParts["delivery"],
  runId: string,
  sink: string,
): Promise<{ runId?: string; spec?: string }> {
  return {
    ...(runId !== "" && { runId: (await journal.run(runId)).runId }),
    ...(sink !== "" && { spec: specOf(delivery, sink) }),
  };
}

/** A spec in any spelling; one that this daemon does not understand may still be that of a letter. */
function specOf(delivery: DeadLetterParts["delivery"], sink: string): string {
  try {
    return delivery.canonicalSpecs([sink])[0] ?? sink;
  } catch (error) {
    if (error instanceof PipekitError) return sink;
    throw error;
  }
}

/** What is in a letter; where it cannot be read, why: one damaged frame hides no other letter. */
async function recordsOf(
  delivery: DeadLetterParts["delivery"],
  letter: DeadLetterEntry,
): Promise<DeadLetterRecords> {
  const lines = await delivery.letterLines(letter, MAX_LINES).catch((error: unknown) => {
    if (error instanceof PipekitError) return [error.message];
    throw error;
  });
  return { id: letter.id, lines };
}
