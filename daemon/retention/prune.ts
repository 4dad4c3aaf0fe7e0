import { PipekitError } from "@pipekit/proto";
import type { ContentStore } from "../content/index.ts";
import type { Journal, PruneCandidate, RunEntry, SinkEntry } from "../journal/journal.ts";

const PAGE = 500;

/** What pruning works on. */
export interface PruneParts {
  readonly journal: Pick<Journal, "prunable" | "prune" | "contentInUse" | "run" | "runs">;
  readonly content: Pick<ContentStore, "sweep">;
  /** Runs with frames behind this position are kept: another daemon does not have them yet. */
  readonly upTo?: () => number;
  /** Called when space was freed. */
  readonly onFreed?: () => void;
  readonly nowUs?: () => number;
}

/** Which runs, and whether anything changes. */
export interface PruneChoice {
  readonly olderThanS: number;
  /** Ids or unique prefixes; empty for all. */
  readonly runIds: readonly string[];
  readonly apply: boolean;
  /** Runs without any sink may go too. */
  readonly withoutSinks: boolean;
}

/** What becomes of one run, or, with `done`, of all. */
export interface Prune {
  readonly runId: string;
  readonly name: string;
  /** Why the run is kept; empty when it goes. */
  readonly kept: string;
  readonly points: number;
  readonly journalBytes: number;
  /** Bytes of files that no other run has. */
  readonly contentBytes: number;
  /** Runs that go. */
  readonly runs: number;
  readonly done: boolean;
}

/**
 * Tells of each run that was chosen, and at last of all; with `apply` a run is forgotten before it is told of, and the
 * files that no record names any more are removed before the last message. An abort stops it between two runs.
 * Throws PipekitError RUN_NOT_FOUND, REF_AMBIGUOUS.
 */
export async function* prunes(
  { journal, content, onFreed, upTo, nowUs = () => Date.now() * 1000 }: PruneParts,
  choice: PruneChoice,
  signal: AbortSignal,
): AsyncGenerator<Prune> {
  const endedBeforeUs = choice.olderThanS > 0 ? nowUs() - choice.olderThanS * 1e6 : Number.POSITIVE_INFINITY;
  const named = await Promise.all(choice.runIds.map((id) => journal.run(id)));
  const runIds = [...new Set(named.map(({ runId }) => runId))];
  const candidates = await journal.prunable({ endedBeforeUs, runIds });
  const found = new Set(candidates.map(({ run }) => run.runId));
  const sum = { points: 0, journalBytes: 0, contentBytes: 0, runs: 0 };
  for (const run of named) {
    if (found.has(run.runId)) continue;
    found.add(run.runId);
    yield { ...messageOf(run), kept: whyNotAsked(run) };
  }
  const files = candidates.some(({ run }) => run.artifacts.length > 0) && (await FileUsers.count(journal));
  for (const candidate of candidates) {
    if (signal.aborted) return;
    const { run, journalBytes } = candidate;
    let kept = whyKept(candidate, choice.withoutSinks);
    if (kept === "" && upTo !== undefined && run.lastPosition > upTo()) kept = "it is not published yet";
    if (kept === "" && choice.apply) kept = await forget(journal, run.runId);
    if (kept === "") {
      const contentBytes = files ? files.leave(run) : 0;
      sum.points += run.points;
      sum.journalBytes += journalBytes;
      sum.contentBytes += contentBytes;
      sum.runs++;
      yield { ...messageOf(run), journalBytes, contentBytes };
    } else {
      yield { ...messageOf(run), kept };
    }
  }
  if (choice.apply && !signal.aborted) {
    // Also when no run went: a sweep that was broken off leaves files behind.
    await content.sweep(() => journal.contentInUse(), signal);
    onFreed?.();
  }
  yield { runId: "", name: "", kept: "", ...sum, done: true };
}

function messageOf({ runId, start, points }: RunEntry): Prune {
  return {
    runId,
    name: start.name,
    kept: "",
    points,
    journalBytes: 0,
    contentBytes: 0,
    runs: 0,
    done: false,
  };
}

/** Why a run that was named is not among those that could go. */
function whyNotAsked(run: RunEntry): string {
  if (run.state === "running") return "It is still running.";
  if (run.prunedAtUs > 0) return "It is pruned already.";
  return "It has ended later than that.";
}

function whyKept({ sinks, deadLetters }: PruneCandidate, withoutSinks: boolean): string {
  if (sinks.length === 0 && !withoutSinks) return "It has no sink: its points are nowhere else.";
  const waiting = sinks.find(({ state }) => state !== "done");
  if (waiting !== undefined) return whyWaiting(waiting);
  if (deadLetters === 0) return "";
  return deadLetters === 1 ? "It has a dead letter." : `It has ${deadLetters} dead letters.`;
}

function whyWaiting({ spec, state, lastError }: SinkEntry): string {
  const why = lastError === "" ? "" : `: ${lastError}`;
  return state === "refused"
    ? `${spec} refuses it${why || "."}`
    : `${spec} has not taken all of it${why || "."}`;
}

/** Forgets a run; else why the journal kept it: something came up since it was looked at. */
async function forget(journal: Pick<Journal, "prune">, runId: string): Promise<string> {
  try {
    await journal.prune(runId);
    return "";
  } catch (error) {
    if (error instanceof PipekitError && error.code === "INVALID_ARGUMENT") return error.message;
    throw error;
  }
}

/** How many runs have each file of content. */
class FileUsers {
  readonly #users = new Map<string, { count: number; readonly size: number }>();

  static async count(journal: Pick<Journal, "runs">): Promise<FileUsers> {
    const users = new FileUsers();
    for (let before: string | undefined; ; ) {
      const page = await journal.runs({ limit: PAGE, ...(before !== undefined && { before }) });
      for (const run of page) if (run.prunedAtUs === 0) users.#enter(run);
      before = page.at(-1)?.runId;
      if (page.length < PAGE) return users;
    }
  }

  /** Bytes of the files that nobody has once the run is gone. */
  leave(run: RunEntry): number {
    let bytes = 0;
    for (const [sha256] of filesOf(run)) {
      const file = this.#users.get(sha256);
      if (file !== undefined && --file.count === 0) bytes += file.size;
    }
    return bytes;
  }

  #enter(run: RunEntry): void {
    for (const [sha256, size] of filesOf(run)) {
      const file = this.#users.get(sha256);
      if (file === undefined) this.#users.set(sha256, { count: 1, size });
      else file.count++;
    }
  }
}

function filesOf(run: RunEntry): Map<string, number> {
  return new Map(
    run.artifacts.flatMap(({ files }) => files.map(({ sha256, size }) => [sha256, size] as const)),
  );
}
