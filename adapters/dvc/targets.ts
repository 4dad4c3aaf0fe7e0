/** What a request is about: targets to recorded versions. */
import { sep } from "node:path";
import { DatasetFault } from "../dataset.ts";
import type { Algorithm } from "./cache.ts";
import { HASH, type RecordedOutput } from "./records.ts";
import type { Repository } from "./repository.ts";

/** A version of data that a request is about. */
export interface Target {
  readonly hash: string;
  readonly algorithm: Algorithm;
  /** What records it; undefined for a bare hash that nothing records. */
  readonly output: RecordedOutput | undefined;
  /** The part of a folder that is meant, relative to it with forward slashes; empty for all. */
  readonly within: string;
}

/**
 * The versions that targets name: paths of data, or of a part of it, folders above data, `.dvc` files, `dvc.lock`, stages
 * (`train`, `sub/dvc.yaml:train`), hashes; all for none. Each once. Outputs that were never hashed are left out. Throws DatasetFault `invalid` for a target that nothing answers to, and `corrupt`.
 */
export async function findTargets(
  repository: Repository,
  targets: readonly string[],
): Promise<readonly Target[]> {
  const records = (await repository.records()).filter(({ hash }) => hash !== "");
  const found = new Map<string, Target>();
  const add = (target: Target): void => {
    found.set(JSON.stringify([target.output?.path ?? target.hash, target.within]), target);
  };
  if (targets.length === 0) for (const output of records) add(whole(output));
  for (const target of targets) {
    const answers = answersTo(repository, records, target);
    if (answers.length === 0) throw unknown(target);
    for (const answer of answers) add(answer);
  }
  return [...found.values()];
}

/** Without those of `cache: false`, which neither cache nor remotes have. */
export function inCache(targets: readonly Target[]): readonly Target[] {
  return targets.filter(({ output }) => output?.isCached !== false);
}

function answersTo(
  repository: Repository,
  records: readonly RecordedOutput[],
  target: string,
): readonly Target[] {
  const path = repository.resolve(target);
  const named = records.filter(
    ({ file, path: data, stage }) =>
      file === path ||
      data === path ||
      (stage !== "" && (stage === target || stage.startsWith(`${target}@`) || isStageOf(path, file, stage))),
  );
  if (named.length > 0) return named.map(whole);
  const around = records.find((output) => path.startsWith(output.path + sep) && output.hash.endsWith(".dir"));
  if (around !== undefined) {
    return [
      {
        ...whole(around),
        within: path
          .slice(around.path.length + 1)
          .split(sep)
          .join("/"),
      },
    ];
  }
  const below = records.filter((output) => path === repository.root || output.path.startsWith(path + sep));
  if (below.length > 0) return below.map(whole);
  if (!HASH.test(target)) return [];
  const recorded = records.filter(({ hash }) => hash === target);
  if (recorded.length > 0) return recorded.map(whole);
  return [{ hash: target, algorithm: "md5", output: undefined, within: "" }];
}

/** `sub/dvc.yaml:train` names a stage beside the dvc.lock that records it. */
function isStageOf(path: string, lockFile: string, stage: string): boolean {
  const [pipeline, name] = [path.slice(0, path.lastIndexOf(":")), path.slice(path.lastIndexOf(":") + 1)];
  return name === stage && lockFile === pipeline.replace(/dvc\.yaml$/, "dvc.lock");
}

function whole(output: RecordedOutput): Target {
  return { hash: output.hash, algorithm: output.algorithm, output, within: "" };
}

function unknown(target: string): DatasetFault {
  return new DatasetFault("invalid", `Nothing that DVC records is named ${target}.`, {
    field: "targets",
    mend: "Name data that was added, its .dvc file, a stage or a hash; `pkx data status` lists them.",
  });
}
