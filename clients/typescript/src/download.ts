/** Weights out of the registry, verified: into memory, or to a file that appears whole or not at all. */
import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type LoadHeader, type Model, PipekitError } from "@pipekit/proto";
import { answers, type CallSettings, isUnavailable } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { type OnProgress, tell } from "./progress.ts";

/** Where chunks go: called in order, never overlapping. */
interface Receiver {
  /** Called once, before the first chunk. */
  begin(model: Model): unknown;
  write(chunk: Buffer): unknown;
}

/** Which model to receive. */
export interface DownloadRequest extends CallSettings {
  readonly registry: string;
  readonly ref: string;
  readonly onProgress?: OnProgress | undefined;
}

const MAX_RESUMES = 5;
const COPY_BLOCK_BYTES = 4 * 1024 * 1024;

/**
 * Receives a model's weights and verifies size and SHA-256; after a break goes on where it was.
 * Throws CORRUPT_MODEL, INVALID_ARGUMENT for a model without weights, and what Load throws.
 */
async function receive(connection: Connection, request: DownloadRequest, to: Receiver): Promise<Model> {
  const { registry, ref, signal, onProgress } = request;
  const digest = createHash("sha256");
  let model: Model | undefined;
  let received = 0;
  for (let resumes = 0; ; resumes++) {
    const { generation } = connection;
    const before = received;
    try {
      const message = {
        registry,
        // A tag may move between two attempts; the hash does not.
        ref: model?.hash ?? ref,
        byPath: false,
        offset: received,
        progress: onProgress !== undefined,
      };
      for await (const { part } of answers(() => connection.services.registry.load(message), signal)) {
        if (part?.$case === "progress") tell(onProgress, part.value);
        else if (part?.$case === "header") {
          if (model !== undefined) continue;
          model = withWeights(part.value);
          await to.begin(model);
        } else if (part?.$case === "weightsChunk" && model !== undefined) {
          const written = to.write(part.value);
          digest.update(part.value);
          await written;
          received += part.value.length;
          if (received > model.weightsSize) break;
          onProgress?.(received, model.weightsSize, "loading");
        }
      }
      if (model === undefined) throw new PipekitError("INTERNAL", "The daemon sent no header.");
      verify(model, received, digest.digest("hex"));
      return model;
    } catch (error) {
      if (!isUnavailable(error) || (resumes >= MAX_RESUMES && received === before)) throw error;
      await connection.ready(generation, signal);
    }
  }
}

function withWeights({ model }: LoadHeader): Model {
  if (model === undefined) throw new PipekitError("INTERNAL", "The daemon sent a header without a model.");
  if (model.hasWeights) return model;
  throw new PipekitError("INVALID_ARGUMENT", `The model ${model.hash} has no weights.`, {
    field: "ref",
    mend: "Read its operator with stat() instead.",
  });
}

function verify(model: Model, received: number, sha256: string): void {
  if (received === model.weightsSize && sha256 === model.weightsSha256) return;
  const fault =
    received === model.weightsSize
      ? `have the SHA-256 ${sha256} instead of ${model.weightsSha256}`
      : `are ${received} bytes instead of ${model.weightsSize}`;
  throw corrupt(model, fault);
}

function corrupt(model: Model, fault: string): PipekitError {
  return new PipekitError("CORRUPT_MODEL", `The weights of ${model.hash} ${fault}.`, {
    field: model.hash,
    mend: "Run `pkx models verify`, and store the model again if it is damaged.",
  });
}

/** Receives weights into memory. */
export async function downloadToBuffer(
  connection: Connection,
  request: DownloadRequest,
): Promise<{ readonly model: Model; readonly weights: Buffer }> {
  let weights = Buffer.alloc(0);
  let offset = 0;
  const model = await receive(connection, request, {
    begin: ({ weightsSize }) => {
      weights = Buffer.allocUnsafe(weightsSize);
    },
    write: (chunk) => {
      offset += chunk.copy(weights, offset);
    },
  });
  return { model, weights };
}

/** Receives weights into a file, which appears at `path` when it is whole, verified and on disk, and not before. */
export function downloadToFile(
  connection: Connection,
  request: DownloadRequest,
  path: string,
): Promise<Model> {
  return appearWhole(path, request.signal, (draft) =>
    receive(connection, request, {
      begin: () => undefined,
      write: (chunk) => draft.writev([chunk]),
    }),
  );
}

/**
 * Copies weights that the daemon has just verified and keeps on this host; undefined when they cannot be read from
 * here. The file appears as with downloadToFile.
 */
export async function copyToFile(
  model: Model,
  source: string,
  request: DownloadRequest,
  path: string,
): Promise<Model | undefined> {
  const { signal, onProgress } = request;
  const weights = await open(source, "r").catch(() => undefined);
  if (weights === undefined) return undefined;
  try {
    return await appearWhole(path, signal, async (draft) => {
      const block = Buffer.allocUnsafe(COPY_BLOCK_BYTES);
      for (let copied = 0; copied < model.weightsSize; ) {
        signal?.throwIfAborted();
        const { bytesRead } = await weights.read(block, 0, block.length, copied);
        if (bytesRead === 0) throw corrupt(model, `end after ${copied} of ${model.weightsSize} bytes`);
        await draft.writev([block.subarray(0, bytesRead)]);
        copied += bytesRead;
        onProgress?.(copied, model.weightsSize, "loading");
      }
      return model;
    });
  } finally {
    await weights.close();
  }
}

/** Fills a draft beside `path` and gives it its name once it is on disk; a failure leaves nothing behind. */
async function appearWhole(
  path: string,
  signal: AbortSignal | undefined,
  fill: (draft: FileHandle) => Promise<Model>,
): Promise<Model> {
  const target = resolve(path);
  const draft = join(dirname(target), `.${basename(target)}.${randomUUID().slice(0, 8)}.part`);
  try {
    const file = await open(draft, "wx", 0o600);
    let model: Model;
    try {
      model = await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    signal?.throwIfAborted();
    await rename(draft, target);
    await syncFolder(dirname(target));
    return model;
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
