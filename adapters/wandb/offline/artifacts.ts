/**
 * Artifacts of a run that is not uploaded yet: their files are copied into the run's folder, where `wandb sync` takes
 * them from, and their manifest goes into the `.wandb` file.
 */
import { createHash } from "node:crypto";
import { rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import type { SinkFile, SinkRun } from "@pipekit/adapters/tracker";
import { sizeOf } from "../../append-file.ts";
import { copyHashed, ensureFolder, syncFolder } from "../../files.ts";
import { SourceUnreadable } from "../../registry.ts";
import { type Artifact, digestFile, type Entry, manifestDigest, sorted } from "../server/manifest.ts";
import type { Draft } from "./records.ts";

/** Folder of the copies, below the run's: each named by its SHA-256. */
const COPIES = "artifacts";

/** A file with its copy, or a reference. */
interface Staged extends Entry {
  readonly localPath?: string;
}

/** Where the artifact goes in W&B. */
export interface Destination {
  readonly entity: string;
  readonly project: string;
  readonly name: string;
}

/**
 * Copies the files, durably, and returns the record. Throws SourceUnreadable for a file that cannot be read or has
 * another content than it should, faults of the file system for the run's folder, and the reason of an abort.
 */
export async function stageArtifact(
  artifact: Artifact,
  run: SinkRun,
  folder: string,
  to: Destination,
  signal: AbortSignal,
): Promise<Draft> {
  const entries: Staged[] = [];
  const copies = join(folder, COPIES);
  if (artifact.files.length > 0) await ensureFolder(copies);
  for (const file of artifact.files) {
    const { path, size, sha256 } = file;
    const copy = join(copies, sha256);
    if ((await sizeOf(copy)) !== size) await copyInto(file, copy, signal);
    const { base64: digest } = await digestFile(copy, Number.POSITIVE_INFINITY, signal);
    entries.push({ path: path === "" ? basename(artifact.name) : path, digest, size, localPath: copy });
  }
  if (artifact.files.length > 0) await syncFolder(copies);
  const { name, uri } = artifact;
  if (uri !== "") entries.push({ path: basename(name), digest: uri, ref: uri });
  return { field: 8, body: record(entries, name, run, to) };
}

/** The copy has its name only when it is whole and durable. */
async function copyInto(
  { localPath, size, sha256 }: SinkFile,
  copy: string,
  signal: AbortSignal,
): Promise<void> {
  const part = `${copy}.part`;
  await rm(part, { force: true });
  const copied = await copyHashed(localPath, part, signal);
  if (copied.sha256 === sha256 && copied.size === size) return await rename(part, copy);
  await rm(part, { force: true });
  throw new SourceUnreadable(localPath, "its content is not what was attached");
}

/** ArtifactRecord, as W&B's own client writes it for an artifact that is whole. */
function record(entries: readonly Staged[], original: string, run: SinkRun, to: Destination): Uint8Array {
  const inOrder = sorted(entries) as readonly Staged[];
  const digest = manifestDigest(inOrder);
  const writer = new BinaryWriter().tag(1, 2).string(run.runId).tag(2, 2).string(to.project);
  if (to.entity !== "") writer.tag(3, 2).string(to.entity);
  writer.tag(4, 2).string("artifact").tag(5, 2).string(to.name).tag(6, 2).string(digest);
  writer.tag(8, 2).string(JSON.stringify({ pipekit: { name: original } }));
  writer.tag(9, 0).bool(true).tag(11, 2).string("latest");
  writer.tag(12, 2).bytes(manifest(inOrder)).tag(14, 0).bool(true);
  // Ids that the client chooses; the same again when the run is written again.
  writer.tag(15, 2).string(clientId(`${run.runId} ${to.name} ${digest}`));
  writer.tag(16, 2).string(clientId(`${run.runId} ${to.name}`));
  return writer.tag(20, 2).string("MANIFEST_MD5").finish();
}

function manifest(entries: readonly Staged[]): Uint8Array {
  const writer = new BinaryWriter().tag(1, 0).int32(1).tag(2, 2).string("wandb-storage-policy-v1");
  writer.tag(3, 2).fork().tag(1, 2).string("storageLayout").tag(2, 2).string('"V2"').join();
  for (const { path, digest, size, localPath, ref } of entries) {
    writer.tag(4, 2).fork().tag(1, 2).string(path).tag(2, 2).string(digest);
    if (ref !== undefined) writer.tag(3, 2).string(ref);
    if (size !== undefined) writer.tag(4, 0).int64(size);
    if (localPath !== undefined) writer.tag(6, 2).string(localPath);
    writer.join();
  }
  return writer.finish();
}

/** 128 characters, as W&B's own client makes them. */
function clientId(of: string): string {
  return createHash("sha512").update(of).digest("hex");
}
