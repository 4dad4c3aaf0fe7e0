/** What of a registry is brought elsewhere: models, and tags as they stand before the first model is read. */
import { type CopiedTag, PipekitError } from "@pipekit/proto";
import { inParallel } from "../collecting/parallel.ts";
import { modelFolders } from "../folders.ts";
import type { LoggedMove } from "../tag-file.ts";
import type { Tags } from "../tags.ts";
import type { History } from "./history.ts";
import type { Origin } from "./parts.ts";

/** A model to bring over. */
export interface SelectedModel {
  readonly hash: string;
  /** Bytes of its files. */
  readonly bytes: number;
}

export interface Selection {
  /** In byte order of the hashes. */
  readonly models: readonly SelectedModel[];
  /** In byte order of the names. */
  readonly tags: readonly History[];
  /** Tags that cannot be read, each with a sentence that says why. */
  readonly damagedTags: readonly CopiedTag[];
  /** Whether each model was asked for by name, so that one that vanishes meanwhile is a failure. */
  readonly named: boolean;
}

/**
 * With refs: those models, and the tags that point to them. Without: all of both. Tags are read first: a model is stored
 * before a tag points to it, so that no tag misses its model.
 */
export async function select(
  origin: Origin,
  refs: readonly string[],
  withoutTags: boolean,
  signal: AbortSignal,
): Promise<Selection> {
  const named = refs.length > 0;
  const wanted = new Set<string>();
  for (const ref of refs) wanted.add((await origin.resolving.resolve(ref, signal)).hash);
  const tags: History[] = [];
  const damagedTags: CopiedTag[] = [];
  const names = withoutTags ? [] : (await origin.tags.names(signal)).sort();
  const read = (name: string) =>
    origin.tags.current(name, signal).catch((error: unknown) => {
      damagedTags.push(damagedTag(name, error));
      return undefined;
    });
  for (const last of await inParallel(names, read)) {
    if (last !== undefined && (!named || wanted.has(last.hash))) tags.push(historyIn(origin.tags, last));
  }
  const models = named ? await sized(origin, [...wanted].sort(), signal) : await all(origin, signal);
  return { models, tags, damagedTags, named };
}

/** The tag as one that is left as it is. Other errors than damage are thrown. */
export function damagedTag(name: string, error: unknown): CopiedTag {
  if (error instanceof PipekitError && error.code === "CORRUPT_MODEL") {
    return { name, moves: 0, problem: error.message };
  }
  throw error;
}

function historyIn(tags: Tags, last: LoggedMove): History {
  return { last, moveAt: (seq, signal) => tags.moveAt(last, seq, signal) };
}

async function sized(
  origin: Origin,
  hashes: readonly string[],
  signal: AbortSignal,
): Promise<SelectedModel[]> {
  const models: SelectedModel[] = [];
  for (const hash of hashes) {
    const { weights, operatorYaml, preview } = await origin.reading.metadata(hash, signal);
    models.push({ hash, bytes: (weights?.size ?? 0) + operatorYaml.size + (preview?.size ?? 0) });
  }
  return models;
}

async function all(origin: Origin, signal: AbortSignal): Promise<SelectedModel[]> {
  const models: SelectedModel[] = [];
  for await (const { hash, isModel, bytes } of modelFolders(origin.backend, signal)) {
    if (isModel) models.push({ hash, bytes });
  }
  return models;
}
