import { readdirSync } from "node:fs";
import { join } from "node:path";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import { z } from "zod";
import { startPythonReader } from "../support/python-reader.ts";
import { openSmallDisk } from "../support/small-disk.ts";
import { folderFaults } from "./folder-faults.ts";
import { describeTrackerContract, type ShownRun } from "./tracker-contract.ts";
import { NO_CONTEXT } from "./tracker-harness.ts";

const Read = z.object({
  scalars: z.array(
    z.tuple([z.string(), z.array(z.tuple([z.number(), z.union([z.number(), z.string()]), z.number()]))]),
  ),
  texts: z.record(z.string(), z.array(z.tuple([z.number(), z.string()]))),
  session: z.object({
    params: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).default({}),
    status: z.string().default("STATUS_RUNNING"),
  }),
});

describeTrackerContract("tensorboard", async () => {
  const disk = openSmallDisk();
  const reader = startPythonReader("test/tensorboard/reader.py");
  const spec = tensorboardTracker.parse(`tensorboard://${disk.folder}`);
  const show = async (runId: string): Promise<ShownRun[]> => {
    const folders = readdirSync(disk.folder)
      .map((name) => join(disk.folder, name))
      .filter((folder) => readdirSync(folder).some((name) => name.includes(runId)));
    return await Promise.all(folders.map(async (folder) => shownRun(await reader.ask({ folder }))));
  };
  return {
    kind: tensorboardTracker,
    spec,
    connect: () => tensorboardTracker.connect(spec, NO_CONTEXT),
    ...folderFaults(disk),
    remoteUrl: /^file:\/\/\//,
    ordered: true,
    show,
    close: async () => {
      await reader.close();
      disk.close();
    },
  };
});

function shownRun(answer: unknown): ShownRun {
  const { scalars, texts, session } = Read.parse(answer);
  const points = scalars.flatMap(([key, events]) =>
    events.map(([step, value, wallTime]) => ({ key, step, value: numberOf(value), timeMs: wallTime * 1000 })),
  );
  const params = Object.entries(session.params).map(([name, value]) => [name, String(value)]);
  const tags = Object.entries(texts)
    .filter(([tag]) => tag.startsWith("pipekit/tags/"))
    .map(([tag, events]) => [tag.slice("pipekit/tags/".length), events.at(-1)?.[1] ?? ""]);
  const reason = texts["pipekit/reason"]?.at(-1)?.[1];
  const state = STATES[session.status] ?? "running";
  return {
    points,
    params: Object.fromEntries(params),
    tags: Object.fromEntries(tags),
    state: state === "failed" && reason === "killed" ? "killed" : state,
  };
}

const STATES: Readonly<Record<string, ShownRun["state"]>> = {
  STATUS_SUCCESS: "completed",
  STATUS_FAILURE: "failed",
};

/** Python's words for what JSON has none. */
function numberOf(value: number | string): number {
  return typeof value === "number" ? value : Number(value.replace("inf", "Infinity").replace("nan", "NaN"));
}
