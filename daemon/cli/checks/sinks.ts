/** What is not delivered, and why; by the daemon. */
import type { Client, Sink, StatusResponse } from "@pipekit/experiment";
import { count, counted, moment } from "../../format.ts";
import { sinkState } from "../shapes.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** Newest runs whose sinks are looked at. */
const RUNS_EXAMINED = 100;
/** A run that began this much after now was begun by another clock, microseconds. */
const AHEAD_US = 60_000_000;

export function checkDeadLetters({ deadLetters }: StatusResponse): Finding {
  if (deadLetters === 0) return ok("dead letters", "None.");
  return problem(
    "dead letters",
    `Sinks refused ${counted(deadLetters, "batch", "batches")} for good.`,
    "`pkx dead-letters list` tells why; mend it there, then `pkx dead-letters redrive RUN`.",
  );
}

interface Trouble {
  readonly runId: string;
  readonly sink: Sink;
  runs: number;
}

/** One finding for each different trouble of a sink, with the newest run that has it. */
export async function checkRuns(client: Client, signal: AbortSignal): Promise<Finding[]> {
  const troubles = new Map<string, Trouble>();
  const differing = new Map<string, Trouble>();
  let ahead = 0;
  let examined = 0;
  for await (const run of client.listRuns({ signal })) {
    if (run.startedAtUs > Date.now() * 1000 + AHEAD_US) ahead += 1;
    for (const sink of run.sinks) {
      const { spec, lastError, pointsShown, pointsSent } = sink;
      if (lastError !== "" || sinkState(sink) === "refused")
        add(troubles, `${spec}\n${lastError}`, run.runId, sink);
      else if (pointsShown >= 0 && pointsShown !== pointsSent) add(differing, spec, run.runId, sink);
    }
    examined += 1;
    if (examined >= RUNS_EXAMINED) break;
  }
  return [
    ...(troubles.size === 0 ? [ok("sinks", `No trouble in the newest ${count(examined)} runs.`)] : []),
    ...[...troubles.values()].map(troubleFinding),
    ...[...differing.values()].map(differenceFinding),
    ...(ahead === 0 ? [] : [aheadFinding(ahead)]),
  ];
}

function add(found: Map<string, Trouble>, key: string, runId: string, sink: Sink): void {
  const known = found.get(key);
  if (known === undefined) found.set(key, { runId, sink, runs: 1 });
  else known.runs += 1;
}

function troubleFinding({ runId, sink, runs }: Trouble): Finding {
  const state = sinkState(sink);
  const again =
    state === "refused"
      ? `then have it asked again: pkx sync ${runId} --to '${sink.spec}'`
      : `and delivery goes on by itself (next try ${sink.retryAtUs > 0 ? moment(sink.retryAtUs) : "soon"}; at once after \`pkx stop\`, by the next daemon)`;
  return problem(
    "sinks",
    `${sink.spec} is ${state} for ${counted(runs, "run")}: ${sink.lastError || "see its notes"}`,
    `Look at \`pkx runs show ${runId}\`; mend the tool, the credentials or the spec, ${again}`,
  );
}

function differenceFinding({ runId, sink, runs }: Trouble): Finding {
  const { spec, pointsShown, pointsSent } = sink;
  const message = `${spec} shows ${count(pointsShown)} of ${count(pointsSent)} points of a run (${counted(runs, "run")} differ).`;
  return note("sinks", message, `\`pkx runs show ${runId}\` names the keys.`);
}

function aheadFinding(runs: number): Finding {
  const message = `${counted(runs, "run")} began after now, by this machine's clock.`;
  return note("clock", message, "Look at the clock, and at those of the hosts that train: `timedatectl`.");
}
