/** Finds or makes the ClearML task of one of our runs, so that repeating it never makes a second one. */

import { failureOf } from "@pipekit/adapters/http";
import type { AdapterMemo, SinkRun } from "@pipekit/adapters/tracker";
import { z } from "zod";
import type { ClearmlApi } from "./api.ts";
import { CODES, failed, type Result } from "./faults.ts";
import type { Stop } from "./halving.ts";
import type { Names } from "./names.ts";
import { PROPERTY_SECTION, RUN_ID_PROPERTY, sections, startProperties, taskName } from "./run-text.ts";

/** A task at ClearML, with the metric names that were claimed for it. Kept as the adapter's memo. */
export interface RemoteTask {
  readonly projectId: string;
  readonly taskId: string;
  readonly name: string;
  readonly claims: readonly string[];
}

const Memo = z.object({
  projectId: z.string(),
  taskId: z.string(),
  name: z.string(),
  claims: z.array(z.string()).default([]),
});
const Projects = z.object({ projects: z.array(z.object({ id: z.string(), name: z.string() })).default([]) });
const Created = z.object({ id: z.string() });
/** Of what others write into a task only this is looked at. */
const Marked = z.object({
  [PROPERTY_SECTION]: z.object({ [RUN_ID_PROPERTY]: z.object({ value: z.string() }) }),
});
const Task = z.object({
  id: z.string(),
  name: z.string().default(""),
  status: z.string().default(""),
  hyperparams: z.unknown().optional(),
});
const Tasks = z.object({ tasks: z.array(Task).default([]) });
const Anything = z.looseObject({});
const LOCKED = ["published", "publishing"];
/** A task and its clones, which carry the same properties. */
const MOST_FOUND = 50;

/** What an earlier open has left; undefined when it cannot be read. */
export function readMemo(memo: AdapterMemo | undefined): RemoteTask | undefined {
  return Memo.safeParse(memo).data;
}

/** Looks for the task by our run id before it makes one: an earlier create may have been carried out unheard. */
export async function findOrCreateTask(
  api: ClearmlApi,
  project: string,
  run: SinkRun,
  names: Names,
  signal: AbortSignal,
): Promise<Result<RemoteTask>> {
  const projectId = await findOrCreateProject(api, project, signal);
  if (!projectId.ok) return projectId;
  const found = await findTask(api, projectId.value, run.runId, signal);
  if (!found.ok) return found;
  let task = found.value;
  if (task === undefined) {
    const name = taskName(run, names);
    const body = {
      name,
      type: "training",
      project: projectId.value,
      hyperparams: sections(startProperties(run, names)),
    };
    const created = await api.post("tasks.create", body, Created, signal);
    if (!created.ok) return created;
    task = { id: created.value.id, name, status: "created" };
  }
  if (task.status === "created") {
    const started = await api.post("tasks.started", { task: task.id }, Anything, signal);
    if (!started.ok) return started;
  }
  return { ok: true, value: { projectId: projectId.value, taskId: task.id, name: task.name, claims: [] } };
}

/** Why nothing will ever be taken for the task: it is deleted, or published. Undefined when that is not so. */
export async function whyGone(
  api: ClearmlApi,
  taskId: string,
  signal: AbortSignal,
): Promise<Stop | undefined> {
  const status = await taskStatus(api, taskId, signal);
  if (!status.ok) return failureOf({ ...status.fault, kind: "transient" });
  if (status.value === undefined) {
    return { status: "permanent", reason: `ClearML has no task ${taskId} any more.` };
  }
  if (!LOCKED.includes(status.value)) return undefined;
  return {
    status: "permanent",
    reason: `The task ${taskId} is published in ClearML and takes nothing more.`,
  };
}

/** Whether the task has ended, so that it must be started again to go on. One that is published is not ours to start. */
export async function hasEnded(
  api: ClearmlApi,
  taskId: string,
  signal: AbortSignal,
): Promise<Result<boolean>> {
  const status = await taskStatus(api, taskId, signal);
  const rest = ["created", "queued", "in_progress", ...LOCKED];
  return status.ok ? { ok: true, value: status.value !== undefined && !rest.includes(status.value) } : status;
}

/** Whether a person has published the task, after which its status is not ours to change. */
export async function isPublished(
  api: ClearmlApi,
  taskId: string,
  signal: AbortSignal,
): Promise<Result<boolean>> {
  const status = await taskStatus(api, taskId, signal);
  return status.ok ? { ok: true, value: LOCKED.includes(status.value ?? "") } : status;
}

async function taskStatus(
  api: ClearmlApi,
  taskId: string,
  signal: AbortSignal,
): Promise<Result<string | undefined>> {
  const query = { id: [taskId], only_fields: ["id", "status"], search_hidden: true };
  const found = await api.post("tasks.get_all", query, Tasks, signal);
  if (!found.ok) return found;
  return { ok: true, value: found.value.tasks.find(({ id }) => id === taskId)?.status };
}

async function findOrCreateProject(
  api: ClearmlApi,
  name: string,
  signal: AbortSignal,
): Promise<Result<string>> {
  for (let tries = 0; ; tries++) {
    const pattern = `^${name.replace(/[^\p{L}\p{N}_/ -]/gu, "\\$&")}$`;
    const query = { name: pattern, only_fields: ["id", "name"], search_hidden: true };
    const found = await api.post("projects.get_all", query, Projects, signal);
    if (!found.ok) return found;
    const project = found.value.projects.find((candidate) => candidate.name === name);
    if (project !== undefined) return { ok: true, value: project.id };
    const created = await api.post("projects.create", { name, description: "" }, Created, signal);
    if (created.ok) return { ok: true, value: created.value.id };
    // Somebody else was faster.
    if (created.fault.code !== CODES.notUnique) return created;
    if (tries > 0)
      return failed("transient", `ClearML says that there is a project \`${name}\`, and shows none.`);
  }
}

async function findTask(
  api: ClearmlApi,
  projectId: string,
  runId: string,
  signal: AbortSignal,
): Promise<Result<z.infer<typeof Task> | undefined>> {
  const query = {
    project: [projectId],
    [`hyperparams.${PROPERTY_SECTION}.${RUN_ID_PROPERTY}.value`]: [runId],
    only_fields: ["id", "name", "status", "hyperparams"],
    search_hidden: true,
    // A clone in ClearML has the properties of its original, and is younger.
    order_by: ["created"],
    page: 0,
    page_size: MOST_FOUND,
  };
  const found = await api.post("tasks.get_all", query, Tasks, signal);
  if (!found.ok) return found;
  const ours = found.value.tasks.find(({ hyperparams }) => {
    const marked = Marked.safeParse(hyperparams).data;
    return marked?.[PROPERTY_SECTION]?.[RUN_ID_PROPERTY]?.value === runId;
  });
  return { ok: true, value: ours };
}
