/**
 * Documents of models that were loaded from registries on other hosts: one file a model, `<registry>/<hash>.json`, where
 * `<registry>` is the beginning of the SHA-256 of its spec. What is read from here is checked as what comes from there.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sha256 } from "../manifest.ts";
import { decodeMetadata, type Metadata } from "../metadata.ts";
import { checkDocuments, type ModelDocuments } from "../model.ts";

/** Bytes of all documents, roughly; the ones not used for longest go first. */
const LIMIT_BYTES = 128 * 1024 * 1024;
/** Documents kept between two looks at the limit. */
const KEPT_BETWEEN = 200;

export class DocumentCache {
  readonly #folder: string;
  #untilLook = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What was kept of the model, sound; undefined when there is nothing. */
  async find(
    registry: string,
    hash: string,
  ): Promise<{ readonly metadata: Metadata; readonly documents: ModelDocuments } | undefined> {
    const path = this.#pathOf(registry, hash);
    try {
      const kept: unknown = JSON.parse(await readFile(path, "utf8"));
      const documents = readDocuments(kept);
      const metadata = decodeMetadata(documents.metadata, hash);
      checkDocuments(metadata, documents);
      const now = new Date();
      await utimes(path, now, now);
      return { metadata, documents };
    } catch {
      // Whatever is wrong with it, the registry has it too.
      return undefined;
    }
  }

  /** Keeps the documents of a model, if that can be done. */
  async keep(registry: string, hash: string, documents: ModelDocuments): Promise<void> {
    const path = this.#pathOf(registry, hash);
    const temp = `${path}.${randomUUID()}.tmp`;
    const { metadata, operator, preview } = documents;
    const text = JSON.stringify({
      metadata: String(metadata),
      operator: String(operator),
      preview: preview && String(preview),
    });
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(temp, text, { mode: 0o600 });
      await rename(temp, path);
      if (this.#untilLook-- <= 0) await this.#keepBelowLimit();
    } catch {
      await rm(temp, { force: true }).catch(() => undefined);
    }
  }

  async #keepBelowLimit(): Promise<void> {
    this.#untilLook = KEPT_BETWEEN;
    const files: { path: string; bytes: number; usedAtMs: number }[] = [];
    for (const entry of await readdir(this.#folder, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined) files.push({ path, bytes: found.size, usedAtMs: found.mtimeMs });
    }
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (bytes <= LIMIT_BYTES) return;
      await rm(file.path, { force: true });
      bytes -= file.bytes;
    }
  }

  #pathOf(registry: string, hash: string): string {
    return join(this.#folder, sha256(registry).slice(0, 16), `${hash}.json`);
  }
}

/** Throws for a text that has another form. */
function readDocuments(kept: unknown): ModelDocuments {
  const { metadata, operator, preview } = kept as { [name: string]: unknown };
  if (typeof metadata !== "string" || typeof operator !== "string") throw new Error("not of this form");
  return {
    metadata: Buffer.from(metadata),
    operator: Buffer.from(operator),
    preview: typeof preview === "string" ? Buffer.from(preview) : undefined,
  };
}
