/**
 * What dvc.yaml says of the outputs of its stages and dvc.lock does not: the working folder, and flags such as
 * `cache: false`. Names made by templates (`${item.out}`) are matched, not computed.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";

/** How DVC is to treat an output. */
export interface OutputFlags {
  readonly cache?: boolean;
  readonly push?: boolean;
  readonly remote?: string;
}

/** The outputs that the stages of one dvc.yaml have. */
export interface StageOutputs {
  /** A stage's folder, relative to that of dvc.yaml. Throws DatasetFault `invalid` when a template makes its name. */
  workFolder(stage: string): string;
  /** What is said of an output of a stage. */
  of(stage: string, path: string): OutputFlags;
  /** The stage that has its output at this absolute path; undefined when none does. */
  owner(path: string, folder: string): string | undefined;
}

const FLAGS = z.looseObject({
  cache: z.boolean().optional(),
  push: z.boolean().optional(),
  remote: z.string().optional(),
});
const OUTPUTS = z.array(z.union([z.string(), z.record(z.string(), z.unknown())])).nullish();
const STAGE = z.looseObject({
  wdir: z.string().nullish(),
  outs: OUTPUTS,
  metrics: OUTPUTS,
  plots: OUTPUTS,
});
const PIPELINE = z.looseObject({ stages: z.record(z.string(), z.unknown()).nullish() });

interface Stage {
  readonly workFolder: string;
  /** Paths as written, with what is said of them. */
  readonly outputs: ReadonlyMap<string, OutputFlags>;
}

/** Reads a dvc.yaml; none when there is no such file. Throws DatasetFault `corrupt`. */
export async function stageOutputs(file: string): Promise<StageOutputs> {
  const stages = await readStages(file);
  // `train@a` is a stage that `foreach` or `matrix` makes of `train`.
  const find = (name: string): Stage | undefined => stages.get(name) ?? stages.get(name.split("@")[0] ?? "");
  return {
    workFolder(name) {
      const folder = find(name)?.workFolder ?? ".";
      if (!folder.includes("${")) return folder;
      throw new DatasetFault("invalid", `The wdir of the stage ${name} in ${file} is made by a template.`, {
        field: `${file}: stages.${name}.wdir`,
        mend: "Write the folder out, or name other targets.",
      });
    },
    of: (name, path) => flagsOf(find(name)?.outputs ?? new Map(), path),
    owner(path, folder) {
      for (const [name, { workFolder, outputs }] of stages) {
        if (workFolder.includes("${")) continue;
        const base = resolve(folder, workFolder);
        for (const written of outputs.keys()) if (matches(resolve(base, written), path)) return name;
      }
      return undefined;
    },
  };
}

async function readStages(file: string): Promise<ReadonlyMap<string, Stage>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw error;
  }
  try {
    const { stages } = PIPELINE.parse(parse(text, { logLevel: "error" }) ?? {});
    return new Map(Object.entries(stages ?? {}).map(([name, value]) => [name, stageOf(value)]));
  } catch (cause) {
    throw new DatasetFault("corrupt", `${file} cannot be read as a pipeline of DVC's.`, {
      field: file,
      mend: "See what `dvc stage list` says of it.",
      cause,
    });
  }
}

function stageOf(value: unknown): Stage {
  const inner = z.looseObject({ do: z.unknown() }).safeParse(value);
  const stage = STAGE.parse(inner.success && inner.data.do !== undefined ? inner.data.do : value);
  const outputs = new Map<string, OutputFlags>();
  for (const item of [stage.outs, stage.metrics, stage.plots].flatMap((list) => list ?? [])) {
    if (typeof item === "string") outputs.set(item, {});
    else for (const [path, flags] of Object.entries(item)) outputs.set(path, flagsFrom(flags));
  }
  return { workFolder: stage.wdir ?? ".", outputs };
}

function flagsFrom(value: unknown): OutputFlags {
  const { cache, push, remote } = FLAGS.parse(value ?? {});
  return {
    ...(cache === undefined ? {} : { cache }),
    ...(push === undefined ? {} : { push }),
    ...(remote === undefined ? {} : { remote }),
  };
}

function flagsOf(outputs: ReadonlyMap<string, OutputFlags>, path: string): OutputFlags {
  const exact = outputs.get(path);
  if (exact !== undefined) return exact;
  for (const [written, flags] of outputs) if (matches(written, path)) return flags;
  return {};
}

/** Whether a name with `${...}` in it, each of which stands for one character or more, can be this one. */
function matches(written: string, path: string): boolean {
  const [first = "", ...between] = aroundTemplates(written);
  const last = between.pop();
  if (last === undefined) return written === path;
  if (!path.startsWith(first)) return false;
  // Each text at its first place: time grows with the lengths only.
  let at = first.length;
  for (const text of between) {
    const found = path.indexOf(text, at + 1);
    if (found <= at) return false;
    at = found + text.length;
  }
  return path.endsWith(last) && path.length - last.length > at;
}

/** What stands before, between and after the `${...}` of a name. */
function aroundTemplates(written: string): readonly string[] {
  const texts: string[] = [];
  let from = 0;
  for (;;) {
    const open = written.indexOf("${", from);
    const close = open < 0 ? -1 : written.indexOf("}", open);
    if (close < 0) return [...texts, written.slice(from)];
    texts.push(written.slice(from, open));
    from = close + 1;
  }
}
