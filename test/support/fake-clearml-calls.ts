/** The calls of a fake ClearML server, by name. */

import { randomUUID } from "node:crypto";
import { ApiError, type Data, type FakeClearmlState, type FakeTask, isRecord } from "./fake-clearml-state.ts";

type Call = (state: FakeClearmlState, request: Data) => Data;

const UPDATED = { updated: 1, fields: {} };
const nothing: Call = () => ({});

const status =
  (to: string): Call =>
  (state, { task: id, status_reason = "", status_message = "", force = false }) => {
    const task = state.task(id);
    if (force !== true && task.status === "published") throw new ApiError(400, 110, "Invalid task status");
    Object.assign(task, { status: to, status_reason, status_message });
    return { ...UPDATED, started: 1, fields: { status: to } };
  };

const edit: Call = (state, request) => {
  state.edit(state.task(request["task"]), request);
  return UPDATED;
};

export const CALLS: Readonly<Record<string, Call>> = {
  "projects.get_all": (state, { name, id }) => {
    const pattern = typeof name === "string" ? new RegExp(name) : /./;
    const projects = state.projects.filter(
      (project) => pattern.test(project.name) && (id === undefined || list(id).includes(project.id)),
    );
    return { projects };
  },
  "projects.get_by_id": (state, { project: id }) => {
    const project = state.projects.find((candidate) => candidate.id === id);
    if (project === undefined) throw new ApiError(400, 401, "Invalid project id");
    return { project };
  },
  "projects.create": (state, { name }) => {
    const text = String(name);
    if (text.split("/").some((part) => part.length < 3))
      throw new ApiError(400, 12, "Project name cannot be blank");
    if (state.projects.some((project) => project.name === text)) {
      throw new ApiError(
        400,
        801,
        "Value combination already exists: Project with the same name already exists",
      );
    }
    const project = { id: randomUUID().replaceAll("-", ""), name: text };
    state.projects.push(project);
    return { id: project.id };
  },
  "tasks.create": (state, request) => ({ id: state.addTask(request).id }),
  "tasks.get_all": (state, request) => ({ tasks: findTasks(state, request) }),
  "tasks.get_by_id": (state, { task }) => ({ task: state.task(task) }),
  "tasks.edit": edit,
  "tasks.update": edit,
  "tasks.started": status("in_progress"),
  "tasks.completed": status("completed"),
  "tasks.stopped": status("stopped"),
  "tasks.failed": status("failed"),
  "tasks.close": status("closed"),
  "tasks.ping": nothing,
  "tasks.set_requirements": nothing,
  "tasks.edit_runtime": nothing,
  "tasks.edit_configuration": (state, { task: id, configuration }) => {
    const task = state.task(id);
    const items = list(configuration).filter(isRecord);
    const added = Object.fromEntries(items.map((item) => [String(item["name"]), item]));
    task["configuration"] = { ...(isRecord(task["configuration"]) ? task["configuration"] : {}), ...added };
    return { updated: 1 };
  },
  "tasks.edit_hyper_params": (state, { task: id, hyperparams, force = false }) => {
    const task = state.task(id);
    const items = list(hyperparams).filter(isRecord);
    const properties = items.every((item) => item["section"] === "properties");
    if (force !== true && !properties && !["created", "in_progress"].includes(task.status)) {
      throw new ApiError(400, 110, "Invalid task status");
    }
    for (const item of items) {
      const { section = "", name = "", value } = item;
      if (section === "" || name === "" || value === undefined)
        throw new ApiError(400, 12, "Validation error");
      const entries = { ...task.hyperparams[String(section)] };
      entries[String(name)] = { section: String(section), name: String(name), value: String(value) };
      task.hyperparams[String(section)] = entries;
    }
    return { updated: 1 };
  },
  "tasks.add_or_update_artifacts": (state, { task: id, artifacts }) => {
    const task = state.task(id);
    const items = list(artifacts).filter(isRecord) as FakeTask["execution"]["artifacts"];
    const keys = items.map(({ key }) => key);
    const others = task.execution.artifacts.filter(({ key }) => !keys.includes(key));
    task.execution = { ...task.execution, artifacts: [...others, ...items] };
    return { updated: 1 };
  },
  "events.add_batch": (state, { items }) => state.addEvents(list(items).filter(isRecord)),
  "events.add": (state, request) => state.addEvents([request]),
  "events.scalar_metrics_iter_raw": (state, { task, metric, count_total }) => {
    const wanted = isRecord(metric) ? metric : {};
    const variants = list(wanted["variants"] ?? []);
    const events = state
      .scalars(state.task(task).id)
      .filter((event) => event.metric === wanted["metric"])
      .filter((event) => variants.length === 0 || variants.includes(event.variant));
    return { total: count_total === true ? events.length : null, returned: events.length, variants: {} };
  },
  "users.get_current_user": () => ({ user: { id: "user", name: "Ada", company: { id: "company" } } }),
};

/** What `tasks.get_all` finds: by id, project, status, and values of hyperparameters. */
function findTasks(state: FakeClearmlState, request: Data): readonly FakeTask[] {
  const { id, project, status, name, page_size = 500 } = request;
  const found = state.tasks.filter((task) => {
    if (id !== undefined && !list(id).includes(task.id)) return false;
    if (project !== undefined && !list(project).includes(task.project)) return false;
    if (status !== undefined && !list(status).includes(task.status)) return false;
    if (typeof name === "string" && !new RegExp(name).test(task.name)) return false;
    return Object.entries(request).every(([field, values]) => {
      const [kind, section = "", key = ""] = field.split(".");
      return kind !== "hyperparams" || list(values).includes(task.hyperparams[section]?.[key]?.value);
    });
  });
  return found.slice(0, Number(page_size));
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
