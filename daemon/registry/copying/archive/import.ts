/**
 * From an archive into a registry, in one pass over the models: each becomes visible once all its digests are found right.
 * Tags come last, once SHA256SUMS has shown that the archive is whole: they are what others follow.
 */
import { hashChunks } from "@pipekit/adapters/files";
import type { CopyEvent } from "@pipekit/proto";
import { checkClientPath } from "../../../content/index.ts";
import { counted } from "../../progress.ts";
import type { ImportOptions } from "../../registry.ts";
import type { CopyParts } from "../parts.ts";
import { Target } from "../target.ts";
import { Telling } from "../telling.ts";
import { corruptArchive, decodeHead, type EntryKind, type Head } from "./form.ts";
import { IncomingModel } from "./incoming.ts";
import { type ArchiveEntry, ArchiveFile, RunningSums, readSmall, skip } from "./reading.ts";
import { incomingTags } from "./tags.ts";

/** Throws CORRUPT_ARCHIVE, ARTIFACT_UNREADABLE, STORAGE_FULL. Cancelled and begun anew, it goes on where it was. */
export async function* importModels(
  into: CopyParts,
  path: string,
  options: ImportOptions,
  signal: AbortSignal,
): AsyncGenerator<CopyEvent> {
  await checkClientPath(path, false, "", "path");
  const file = await ArchiveFile.open(path);
  try {
    const telling = new Telling("importing", await headOf(file, signal));
    const importing = new Importing(file, new Target(into), options, telling);
    yield* telling.during(signal, (working) => importing.run(working));
  } finally {
    await file.close();
  }
}

async function headOf(file: ArchiveFile, signal: AbortSignal): Promise<Head> {
  for await (const entry of file.entries(0, signal)) {
    if (entry.is.kind !== "head") break;
    const head = decodeHead(await readSmall(entry, entry.content, file.path), file.path);
    if (head === undefined) break;
    return head;
  }
  throw corruptArchive(file.path, "is no archive of a model registry");
}

class Importing {
  readonly #file: ArchiveFile;
  readonly #target: Target;
  readonly #options: ImportOptions;
  readonly #telling: Telling;
  readonly #sums = new RunningSums();
  #model: IncomingModel | undefined;
  /** Where the tags begin in the file. */
  #firstTag: number | undefined;

  constructor(file: ArchiveFile, target: Target, options: ImportOptions, telling: Telling) {
    this.#file = file;
    this.#target = target;
    this.#options = options;
    this.#telling = telling;
  }

  async run(signal: AbortSignal): Promise<void> {
    let last: EntryKind["kind"] | undefined;
    try {
      for await (const entry of this.#file.entries(0, signal)) {
        await this.#take(entry, signal);
        last = entry.is.kind;
      }
    } finally {
      await this.#model?.discard();
    }
    if (last !== "sums") throw corruptArchive(this.#file.path, "is cut off");
    if (this.#firstTag === undefined || this.#options.withoutTags) return;
    for await (const history of incomingTags(this.#file, this.#firstTag, signal)) {
      this.#telling.tag(
        await this.#target.bring(history, { ...this.#options, from: this.#file.path }, signal),
      );
    }
  }

  async #take(entry: ArchiveEntry, signal: AbortSignal): Promise<void> {
    const { is } = entry;
    if (this.#model !== undefined && !(is.kind === "model" && is.hash === this.#model.hash)) {
      throw corruptArchive(this.#file.path, `lacks metadata.json of the model ${this.#model.hash}`);
    }
    if (is.kind === "model") return this.#takeFile(entry, is, signal);
    if (is.kind === "sums") return this.#checkSums(entry);
    if (is.kind !== "head") this.#firstTag ??= entry.begin;
    await skip(this.#sums.through(entry));
  }

  async #takeFile(
    entry: ArchiveEntry,
    { hash, file }: Extract<EntryKind, { kind: "model" }>,
    signal: AbortSignal,
  ): Promise<void> {
    this.#model ??= await IncomingModel.begin(hash, this.#target, this.#file.path, signal);
    const model = this.#model;
    const before = model.bytes;
    const moved = (bytes: number) => this.#telling.moved(hash, bytes);
    await model.take(
      entry,
      file,
      counted(this.#sums.through(entry), (done) => moved(before + done)),
      signal,
    );
    if (file !== "metadata.json") return;
    const created = await model.finish(this.#options.actor, () => moved(model.bytes), signal);
    this.#telling.model({ hash, created, bytes: model.bytes }, model.bytes);
    this.#model = undefined;
  }

  async #checkSums(entry: ArchiveEntry): Promise<void> {
    const expected = this.#sums.digest();
    const { sha256 } = await hashChunks(entry.content);
    if (sha256 !== expected) throw corruptArchive(this.#file.path, "is not what its SHA256SUMS tells of");
  }
}
