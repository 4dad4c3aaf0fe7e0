/** `task.json` of an offline session: the task that `Task.import_offline_session` makes. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SinkRun } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { isMissing } from "../../file-faults.ts";
import { parseJson } from "../../json.ts";
import type { ArtifactEntry } from "../artifacts.ts";
import type { Names } from "../names.ts";
import { type Hyperparameter, sections, startProperties, taskName } from "../run-text.ts";
import { asciiJson, replaceFile } from "./files.ts";

const Text = z.string();
const Parameter = z.object({ section: Text, name: Text, value: Text });
const Artifact = z.object({
  key: Text,
  type: Text,
  mode: z.literal("output"),
  uri: Text,
  hash: Text.optional(),
  content_size: z.number().optional(),
  timestamp: z.number(),
});
const Stored = z.object({
  id: Text,
  name: Text,
  hyperparams: z.record(Text, z.record(Text, Parameter)),
  execution: z.object({ artifacts: z.array(Artifact) }),
});

/** The task of one session, in memory and on disk. */
export class TaskFile {
  readonly name: string;
  readonly #id: string;
  readonly #folder: string;
  readonly #project: string;
  readonly #parameters = new Map<string, Hyperparameter>();
  readonly #artifacts = new Map<string, ArtifactEntry>();
  #changed = true;

  private constructor(folder: string, id: string, project: string, name: string) {
    this.#folder = folder;
    this.#id = id;
    this.#project = project;
    this.name = name;
  }

  /** A task with what a run's start says. */
  static start(folder: string, id: string, project: string, run: SinkRun, names: Names): TaskFile {
    const task = new TaskFile(folder, id, project, taskName(run, names));
    for (const parameter of startProperties(run, names)) task.set(parameter);
    return task;
  }

  /** The task as the folder has it; undefined when there is none that can be read. Throws faults of the file system. */
  static async read(folder: string, id: string, project: string): Promise<TaskFile | undefined> {
    const text = await readFile(join(folder, TASK_FILE), "utf8").catch((error: unknown) => {
      if (!isMissing(error)) throw error;
      return "";
    });
    const stored = Stored.safeParse(parseJson(text)).data;
    if (stored?.id !== id) return undefined;
    const task = new TaskFile(folder, id, project, stored.name);
    for (const section of Object.values(stored.hyperparams)) {
      for (const parameter of Object.values(section)) task.set(parameter);
    }
    for (const { hash, content_size, ...entry } of stored.execution.artifacts) {
      task.attach({
        ...entry,
        ...(hash === undefined ? {} : { hash }),
        ...(content_size === undefined ? {} : { content_size }),
      });
    }
    task.#changed = false;
    return task;
  }

  get changed(): boolean {
    return this.#changed;
  }

  set(parameter: Hyperparameter): void {
    const place = JSON.stringify([parameter.section, parameter.name]);
    if (this.#parameters.get(place)?.value === parameter.value) return;
    this.#parameters.set(place, parameter);
    this.#changed = true;
  }

  forget({ section, name }: Pick<Hyperparameter, "section" | "name">): void {
    if (this.#parameters.delete(JSON.stringify([section, name]))) this.#changed = true;
  }

  attach(entry: ArtifactEntry): void {
    const known = this.#artifacts.get(entry.key);
    if (known !== undefined && known.uri === entry.uri && known.hash === entry.hash) return;
    this.#artifacts.set(entry.key, entry);
    this.#changed = true;
  }

  /** Writes what has changed, durably. Throws faults of the file system. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    const task = {
      id: this.#id,
      name: this.name,
      type: "training",
      project_name: this.#project,
      offline_folder: this.#folder,
      offline_output_models: [],
      hyperparams: sections([...this.#parameters.values()]),
      execution: { artifacts: [...this.#artifacts.values()] },
    };
    await replaceFile(join(this.#folder, TASK_FILE), Buffer.from(asciiJson(task)));
    this.#changed = false;
  }
}

export const TASK_FILE = "task.json";
