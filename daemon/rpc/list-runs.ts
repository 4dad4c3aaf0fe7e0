import type { ListRunsRequest, ListRunsResponse } from "@pipekit/proto";
import type { Journal, RunEntry } from "../journal/index.ts";
import { checkPageSize, MAX_PAGE } from "./pages.ts";
import { briefRun, runStateName } from "./runs.ts";

/** One page of runs, newest first, with their sinks: a few questions to the journal, however many runs. */
export async function listRuns(
  journal: Pick<Journal, "runs" | "openSinks" | "sinksOf">,
  request: ListRunsRequest,
): Promise<ListRunsResponse> {
  const limit = checkPageSize(request.pageSize);
  const entries = await (request.unfinished
    ? unfinishedRuns(journal, request, limit + 1)
    : journal.runs({ ...queryOf(request), limit: limit + 1 }));
  const page = entries.slice(0, limit);
  const sinks = await journal.sinksOf(page.map(({ runId }) => runId));
  const runs = page.map((entry) => briefRun(entry, sinks.get(entry.runId) ?? []));
  return { runs, nextPageToken: entries.length > limit ? (page.at(-1)?.runId ?? "") : "" };
}

function queryOf({ pageToken, state, nameContains, group = "" }: ListRunsRequest) {
  const stateName = runStateName(state);
  return {
    ...(pageToken !== "" && { before: pageToken }),
    ...(stateName !== undefined && { state: stateName }),
    ...(nameContains !== "" && { nameContains }),
    ...(group !== "" && { group }),
  };
}

/** The first `limit` runs that run, or that have a sink which is not done. */
async function unfinishedRuns(
  journal: Pick<Journal, "runs" | "openSinks">,
  request: ListRunsRequest,
  limit: number,
): Promise<RunEntry[]> {
  const open = new Set((await journal.openSinks()).map(({ runId }) => runId));
  const found: RunEntry[] = [];
  for (let query = queryOf(request); ; ) {
    const page = await journal.runs({ ...query, limit: MAX_PAGE });
    found.push(...page.filter(({ runId, state }) => state === "running" || open.has(runId)));
    const last = page.at(-1);
    if (found.length >= limit || last === undefined || page.length < MAX_PAGE) return found.slice(0, limit);
    query = { ...query, before: last.runId };
  }
}
