/** Recomputes every digest of models, whatever was checked before. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { VerifyResponse } from "@pipekit/proto";
import { Damage, type FileDigest, type Metadata } from "./metadata.ts";
import { FILES, readChecked, readMetadata, verifiedWeights } from "./model.ts";
import type { Resolving } from "./resolving.ts";
import type { Tags } from "./tags.ts";
import { VerifiedFiles } from "./verified.ts";

/** One finding a model, in the order of `refs`, or of the hashes when there are none. */
export async function* verifyModels(
  backend: RegistryBackend,
  resolving: Resolving,
  tags: Tags,
  refs: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<VerifyResponse> {
  const hashes = refs.length === 0 ? await everyModel(resolving, tags, signal) : new Set<string>();
  for (const ref of refs) hashes.add((await resolving.resolve(ref, signal)).hash);
  for (const hash of hashes) {
    signal.throwIfAborted();
    yield { ...(await verifyModel(backend, hash, signal)), total: hashes.size };
  }
}

/** What is stored, and what tags point to. A folder without metadata.json that no tag needs is no model. */
async function everyModel(resolving: Resolving, tags: Tags, signal: AbortSignal): Promise<Set<string>> {
  const found = new Set((await tags.all(signal)).values());
  for await (const hash of resolving.hashes("", "", signal)) {
    if (await resolving.exists(hash, signal)) found.add(hash);
  }
  return new Set([...found].sort());
}

async function verifyModel(
  backend: RegistryBackend,
  hash: string,
  signal: AbortSignal,
): Promise<Omit<VerifyResponse, "total">> {
  const problems: string[] = [];
  let bytesRead = 0;
  const note = (error: unknown): undefined => {
    if (!(error instanceof Damage)) throw error;
    problems.push(error.message);
  };
  let metadata: Metadata | undefined;
  try {
    metadata = await readMetadata(backend, hash, signal);
    if (metadata === undefined) problems.push("A tag points to it, but its metadata.json is missing.");
  } catch (error) {
    note(error);
  }
  if (metadata === undefined) return { hash, problems, bytesRead };

  const small: [string, FileDigest | undefined][] = [
    [FILES.operator, metadata.operatorYaml],
    [FILES.preview, metadata.preview],
  ];
  for (const [file, expected] of small) {
    if (expected === undefined) continue;
    const bytes = await readChecked(backend, hash, file, expected, signal).catch(note);
    bytesRead += bytes?.length ?? 0;
  }
  if (metadata.weights !== undefined) {
    try {
      const chunks = verifiedWeights(backend, hash, metadata.weights, 0, new VerifiedFiles(), signal);
      for await (const chunk of chunks) bytesRead += chunk.length;
    } catch (error) {
      note(error);
    }
  }
  return { hash, problems, bytesRead };
}
