/** A model of an archive on its way into a registry. */
import { hashChunks } from "@pipekit/adapters/files";
import type { PendingBlob } from "@pipekit/adapters/registry";
import { sha256 } from "../../manifest.ts";
import { Damage, decodeMetadata, type FileDigest, type Metadata } from "../../metadata.ts";
import { FILES } from "../../model.ts";
import type { ReadyDocuments } from "../../ready-documents.ts";
import { checkDigest } from "../../verified.ts";
import type { Target } from "../target.ts";
import { corruptArchive, type EntryKind } from "./form.ts";
import { type ArchiveEntry, readSmall } from "./reading.ts";

type ModelFile = Extract<EntryKind, { kind: "model" }>["file"];

export class IncomingModel {
  readonly hash: string;
  /** Whether the registry has it, so that its weights are only checked. */
  readonly #isThere: boolean;
  readonly #target: Target;
  readonly #path: string;
  readonly #documents = new Map<ModelFile, Buffer>();
  #weights: FileDigest | undefined;
  #pending: PendingBlob | undefined;

  private constructor(hash: string, isThere: boolean, target: Target, path: string) {
    this.hash = hash;
    this.#isThere = isThere;
    this.#target = target;
    this.#path = path;
  }

  /** `path` is that of the archive. */
  static async begin(
    hash: string,
    target: Target,
    path: string,
    signal: AbortSignal,
  ): Promise<IncomingModel> {
    return new IncomingModel(hash, await target.has(hash, signal), target, path);
  }

  /** Bytes of its files so far. */
  get bytes(): number {
    const documents = [...this.#documents.values()].reduce((sum, { length }) => sum + length, 0);
    return documents + (this.#weights?.size ?? 0);
  }

  async take(
    entry: ArchiveEntry,
    file: ModelFile,
    content: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<void> {
    if (file !== FILES.weights) {
      this.#documents.set(file, await readSmall(entry, content, this.#path));
    } else if (this.#isThere) {
      this.#weights = await hashChunks(content);
    } else {
      this.#pending = await this.#target.backend.receive({ kind: "stream", chunks: content }, signal);
      this.#weights = this.#pending;
    }
  }

  /** To be called after metadata.json: checks all of it, then makes it visible; false when it was there. */
  async finish(actor: string, sent: (bytes: number) => void, signal: AbortSignal): Promise<boolean> {
    const ready = this.#checked();
    if (this.#isThere) return false;
    return (await this.#target.adopt(ready, this.#pending, actor, sent, signal)).created;
  }

  async discard(): Promise<void> {
    await this.#pending?.discard();
  }

  #checked(): ReadyDocuments {
    const metadataJson = this.#documents.get(FILES.metadata) ?? Buffer.alloc(0);
    const operatorYaml = this.#documents.get(FILES.operator) ?? Buffer.alloc(0);
    const preview = this.#documents.get(FILES.preview);
    try {
      const metadata = decodeMetadata(metadataJson, this.hash);
      this.#checkFiles(metadata, operatorYaml, preview);
      return { metadata, metadataJson, operatorYaml, preview };
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      throw corruptArchive(
        this.#path,
        `holds a damaged model ${this.hash}: ${error.message.slice(0, -1)}`,
        error,
      );
    }
  }

  #checkFiles(metadata: Metadata, operatorYaml: Buffer, preview: Buffer | undefined): void {
    checkFile(FILES.operator, metadata.operatorYaml, digestOfBytes(operatorYaml));
    checkFile(FILES.preview, metadata.preview, preview && digestOfBytes(preview));
    checkFile(FILES.weights, metadata.weights, this.#weights);
  }
}

function checkFile(file: string, expected: FileDigest | undefined, found: FileDigest | undefined): void {
  if (expected !== undefined && found !== undefined) checkDigest(file, expected, found);
  else if (expected !== undefined) throw new Damage(`${file} is missing.`);
  else if (found !== undefined) throw new Damage(`${file} is none of its files.`);
}

function digestOfBytes(bytes: Buffer): FileDigest {
  return { sha256: sha256(bytes), size: bytes.length };
}
