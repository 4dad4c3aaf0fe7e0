import type { Host } from "./host.ts";
import type { KnownRuns } from "./known-runs.ts";

const FIRST_RUNS = 100;
const MORE_RUNS = 1000;

/**
 * Lists all runs into `known`, the newest at once, the rest in large pages, and forgets those that are there no more.
 * Throws RequestFailure, or the signal's reason.
 */
export async function listRuns(host: Host, known: KnownRuns, signal: AbortSignal): Promise<void> {
  known.lookAnew();
  let pageToken = "";
  let limit = FIRST_RUNS;
  do {
    const page = await host.request("pipekit/runs", { limit, pageToken }, signal);
    signal.throwIfAborted();
    known.take(page.runs);
    pageToken = page.nextPageToken;
    limit = MORE_RUNS;
  } while (pageToken !== "");
  known.forgetUnseen();
}
