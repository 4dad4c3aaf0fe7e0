/** Looks at everything anew, whatever was checked before, and tells what is wrong. Nothing is changed. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { VerifyResponse } from "@pipekit/proto";
import { modelFolders } from "../folders.ts";
import type { Resolving } from "../resolving.ts";
import type { Tags } from "../tags.ts";
import { verifyModel } from "./model.ts";
import { tagProblems } from "./tags.ts";

/** Younger files without a metadata.json may belong to a store that is under way. */
const REMAINS_AFTER_MS = 24 * 60 * 60 * 1000;

/** The parts of the registry that is verified. */
export interface VerifiedParts {
  readonly backend: RegistryBackend;
  readonly resolving: Resolving;
  readonly tags: Tags;
}

/** What lies under a hash by the listing. */
interface Listed {
  /** Names of the files, each set of names once in memory; undefined when only a tag led here. */
  readonly files: readonly string[] | undefined;
  /** What is left of a store that never ended. */
  readonly remains: string | undefined;
}

/**
 * One finding a model, in the order of `refs`, or of the hashes when there are none: all that is stored, and all that tags
 * lead to. Then also what is wrong with tags, histories and the backend's own books, under the empty hash, if anything is.
 * `quick` reads the small files only, and compares sizes, and checksums where the backend keeps them.
 */
export async function* verifyModels(
  parts: VerifiedParts,
  refs: readonly string[],
  quick: boolean,
  signal: AbortSignal,
): AsyncGenerator<VerifyResponse> {
  const { backend } = parts;
  const models = refs.length === 0 ? await everything(parts, signal) : await named(parts, refs, signal);
  for (const [hash, { files, remains }] of models) {
    signal.throwIfAborted();
    const finding =
      remains === undefined
        ? await verifyModel(backend, hash, files, quick, signal)
        : { hash, problems: [remains], bytesRead: 0 };
    yield { ...finding, total: models.size };
  }
  if (refs.length > 0) return;
  const found = await tagProblems(backend, parts.tags, quick, signal);
  for await (const difference of backend.differences?.(signal) ?? []) found.problems.push(difference);
  if (found.problems.length > 0) yield { hash: "", ...found, total: models.size };
}

async function named(
  { backend, resolving }: VerifiedParts,
  refs: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Listed>> {
  const models = new Map<string, Listed>();
  for (const ref of refs) {
    const { hash } = await resolving.resolve(ref, signal);
    const found = await backend.scan(`${hash}/`, { limit: 100 }, signal);
    models.set(hash, { files: found.map(({ key }) => fileOf(key)), remains: undefined });
  }
  return models;
}

async function everything(
  { backend, tags }: VerifiedParts,
  signal: AbortSignal,
): Promise<Map<string, Listed>> {
  const found = new Map<string, Listed>();
  const shared = new Map<string, readonly string[]>();
  const tagged = new Set((await tags.all(signal)).values());
  for (const hash of tagged) found.set(hash, { files: undefined, remains: undefined });
  for await (const { hash, isModel, files } of modelFolders(backend, signal)) {
    if (isModel || tagged.has(hash)) {
      const names = files.map(({ key }) => fileOf(key));
      const key = names.join("/");
      shared.set(key, shared.get(key) ?? names);
      found.set(hash, { files: shared.get(key), remains: undefined });
      continue;
    }
    const newestUs = Math.max(...files.map(({ modifiedAtUs }) => modifiedAtUs));
    if (Date.now() - newestUs / 1000 <= REMAINS_AFTER_MS) continue;
    const since = new Date(newestUs / 1000).toISOString();
    const remains = `Files of a store that never ended lie here since ${since}; \`pkx models gc --apply\` removes them.`;
    found.set(hash, { files: undefined, remains });
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fileOf(key: string): string {
  return key.slice(key.indexOf("/") + 1);
}
