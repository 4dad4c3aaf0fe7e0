/** One model: its documents, its weights and what else lies in its folder. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { VerifyResponse } from "@pipekit/proto";
import { Damage, decodeMetadata, type FileDigest, type Metadata } from "../metadata.ts";
import { FILES, modelKey, readChecked, verifiedWeights } from "../model.ts";
import { checkDigest, VerifiedFiles } from "../verified.ts";

/** `files`: the names in its folder; undefined when they are not known. */
export async function verifyModel(
  backend: RegistryBackend,
  hash: string,
  files: readonly string[] | undefined,
  quick: boolean,
  signal: AbortSignal,
): Promise<Omit<VerifyResponse, "total">> {
  const problems: string[] = [];
  let bytesRead = 0;
  const noting = async (check: () => Promise<number>): Promise<void> => {
    try {
      bytesRead += await check();
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      problems.push(error.message);
    }
  };
  let metadata: Metadata | undefined;
  await noting(async () => {
    const found = await backend.get(modelKey(hash, FILES.metadata), signal);
    if (found === undefined) throw new Damage("A tag points to it, but its metadata.json is missing.");
    metadata = decodeMetadata(found.bytes, hash);
    return found.bytes.length;
  });
  if (metadata === undefined) return { hash, problems, bytesRead };
  const { operatorYaml, preview, weights } = metadata;
  const small = async (file: string, expected: FileDigest) =>
    (await readChecked(backend, hash, file, expected, signal)).length;
  await noting(() => small(FILES.operator, operatorYaml));
  if (preview !== undefined) await noting(() => small(FILES.preview, preview));
  if (weights !== undefined) {
    await noting(() =>
      quick ? lookAt(backend, hash, weights, signal) : readAll(backend, hash, weights, signal),
    );
  }
  problems.push(...strays(metadata, files ?? []));
  return { hash, problems, bytesRead };
}

/** Reads all of the weights; returns how many bytes. Throws Damage. */
async function readAll(
  backend: RegistryBackend,
  hash: string,
  expected: FileDigest,
  signal: AbortSignal,
): Promise<number> {
  let bytes = 0;
  for await (const chunk of verifiedWeights(backend, hash, expected, 0, new VerifiedFiles(), signal)) {
    bytes += chunk.length;
  }
  return bytes;
}

/** Compares the size of the weights, and their digest where the backend keeps it. Throws Damage. */
async function lookAt(
  backend: RegistryBackend,
  hash: string,
  expected: FileDigest,
  signal: AbortSignal,
): Promise<number> {
  const found = await backend.info(modelKey(hash, FILES.weights), signal);
  if (found === undefined) throw new Damage(`${FILES.weights} is missing.`);
  checkDigest(FILES.weights, expected, { size: found.size, sha256: found.sha256 ?? expected.sha256 });
  return 0;
}

function strays({ preview, weights }: Metadata, files: readonly string[]): string[] {
  const own = new Set<string>([FILES.metadata, FILES.operator]);
  if (preview !== undefined) own.add(FILES.preview);
  if (weights !== undefined) own.add(FILES.weights);
  return files
    .filter((file) => !own.has(file))
    .map((file) => `\`${file}\` lies in its folder and is none of its files.`);
}
