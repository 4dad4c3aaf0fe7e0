import { type Model, PipekitError, type Registry } from "@pipekit/experiment";
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { tagMoveDocument } from "./documents/models.ts";
import type { ModelTable } from "./model-table.ts";

/** Models that tags lead to are read one by one up to so many; more of them are worth a list of all. */
const FEW = 20;

/** What a look at a registry found. */
export interface ReadRegistry {
  readonly tags: readonly TagMoveDocument[];
  /** Moves that deleted tags which the table still has. */
  readonly deletions: readonly TagMoveDocument[];
  readonly models: readonly Model[];
  /** Whether these are all models. */
  readonly all: boolean;
  /** What the list of all models took, milliseconds; 0 without one. */
  readonly listMs: number;
}

/**
 * Reads the tags, then the models: all of them with `whole`, else those alone that a tag leads to and that the table lacks.
 * A model that a tag read here leads to is thereby in what is read after it. `unreadable` names those that were not found.
 */
export async function readRegistry(
  registry: Registry,
  table: ModelTable,
  { whole, unreadable, signal }: { whole: boolean; unreadable: Set<string>; signal: AbortSignal },
): Promise<ReadRegistry> {
  const tags = (await Array.fromAsync(registry.tags({ signal }))).map(tagMoveDocument);
  const deletions = await deletionsOf(registry, table, tags, signal);
  const lacking = new Set(tags.map(({ hash }) => hash));
  for (const hash of lacking) if (table.has(hash) || unreadable.has(hash)) lacking.delete(hash);
  if (whole || lacking.size > FEW) {
    const begun = performance.now();
    const models = await Array.fromAsync(registry.list({ signal }));
    const found = new Set(models.map(({ hash }) => hash));
    unreadable.clear();
    for (const { hash } of tags) if (!found.has(hash)) unreadable.add(hash);
    return { tags, deletions, models, all: true, listMs: performance.now() - begun };
  }
  const models: Model[] = [];
  for (const hash of lacking) {
    const model = await registry.stat(hash, { signal }).catch(unlessDamaged);
    if (model === undefined) unreadable.add(hash);
    else models.push(model);
  }
  return { tags, deletions, models, all: false, listMs: 0 };
}

async function deletionsOf(
  registry: Registry,
  table: ModelTable,
  tags: readonly TagMoveDocument[],
  signal: AbortSignal,
): Promise<TagMoveDocument[]> {
  const there = new Set(tags.map(({ name }) => name));
  const deletions: TagMoveDocument[] = [];
  for (const known of table.tags()) {
    if (there.has(known.name)) continue;
    const moves = registry.history(known.name, { signal });
    const last = await moves.next().catch(unlessDamaged);
    await moves.return(undefined);
    // Where a person has removed the registry's files, no move tells of it.
    const unlogged = {
      ...known,
      seq: known.seq + 1,
      hash: "",
      previousHash: known.hash,
      actor: "",
      reason: "",
    };
    deletions.push(last?.value === undefined ? unlogged : tagMoveDocument(last.value));
  }
  return deletions;
}

/** A tag may lead to a model that cannot be read: the registry is shown without it. */
function unlessDamaged(error: unknown): undefined {
  if (error instanceof PipekitError && ["REF_NOT_FOUND", "CORRUPT_MODEL"].includes(error.code)) return;
  throw error;
}
