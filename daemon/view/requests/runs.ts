/** Requests about runs. */
import type { DeadLetter } from "@pipekit/experiment";
import type { DeadLetterDocument, RunBrief } from "@pipekit/proto/editor";
import { call } from "../calling.ts";
import { runDocument } from "../documents/runs.ts";
import { Points } from "../points.ts";
import type { Answer } from "./desk.ts";

/** From the index: no call, however many runs there are. The token is the id of the last run of the page before. */
export const runs: Answer<"pipekit/runs"> = async (desk, params, signal) => {
  await desk.runs.ready(signal);
  const name = params.nameContains.toLowerCase();
  const fits = (run: RunBrief) =>
    (params.state === undefined || run.state === params.state) &&
    (!params.unfinished || isUnfinished(run)) &&
    run.name.toLowerCase().includes(name);
  const { runs, total } = desk.runs.select(fits, params.limit + 1, params.pageToken);
  const page = runs.slice(0, params.limit);
  const more = runs.length > params.limit;
  return { runs: page, total, nextPageToken: more ? (page.at(-1)?.runId ?? "") : "" };
};

export const run: Answer<"pipekit/run"> = ({ link }, { runId }, signal) =>
  call(link, async (client) => runDocument(await client.getRun(runId, { signal })), signal);

export const metrics: Answer<"pipekit/metrics"> = ({ link }, { runId, ...query }, signal) =>
  call(
    link,
    async (client) => {
      const series = await client.readSeries(runId, { ...query, signal });
      const points = new Points();
      points.add(series);
      return { runId, series: points.takeWhole() };
    },
    signal,
  );

export const deadLetters: Answer<"pipekit/deadLetters"> = ({ link }, { limit, ...query }, signal) =>
  call(
    link,
    async (client) => {
      const found: DeadLetterDocument[] = [];
      for await (const letter of client.delivery.deadLetters({ ...query, signal })) {
        found.push(letterDocument(letter));
        if (found.length > limit) break;
      }
      return { deadLetters: found.slice(0, limit), more: found.length > limit };
    },
    signal,
  );

/** Whether it runs, or some sink has not taken it whole. */
export function isUnfinished(run: RunBrief): boolean {
  return run.state === "running" || run.sinks.some(({ state }) => state !== "done");
}

function letterDocument({ id, runId, spec, kind, points, reason, atUs }: DeadLetter): DeadLetterDocument {
  return { id, runId, spec, kind, points, reason, atUs };
}
