/** From a registry into an archive. */
import { type CopyEvent, PipekitError } from "@pipekit/proto";
import { checkClientPath } from "../../../content/index.ts";
import { asCorrupt, FILES, modelKey, verifiedWeights } from "../../model.ts";
import { counted } from "../../progress.ts";
import type { ExportOptions } from "../../registry.ts";
import { encodeLog, encodeTag, logKey, tagKey } from "../../tag-file.ts";
import type { History } from "../history.ts";
import type { Origin } from "../parts.ts";
import { type SelectedModel, type Selection, select } from "../selection.ts";
import { Telling } from "../telling.ts";
import { encodeHead, HEAD } from "./form.ts";
import { type ArchiveWriter, writeArchive } from "./writing.ts";

/** A damaged model ends it: an archive holds sound models only. Throws CORRUPT_MODEL, INVALID_ARGUMENT, STORAGE_FULL. */
export async function* exportModels(
  origin: Origin,
  path: string,
  options: ExportOptions,
  signal: AbortSignal,
): AsyncGenerator<CopyEvent> {
  await checkClientPath(path, false, "", "path");
  const selection = await select(origin, options.refs, options.withoutTags, signal);
  const bytes = selection.models.reduce((sum, model) => sum + model.bytes, 0);
  const telling = new Telling("exporting", { bytes, models: selection.models.length });
  yield* telling.during(signal, (working) =>
    writeArchive(path, options.overwrite, working, async (writer) => {
      const counts = { models: selection.models.length, tags: selection.tags.length, bytes };
      await writer.add(HEAD, encodeHead(counts), 0);
      const exporting = new Exporting(origin, writer, telling);
      for (const model of selection.models) await exporting.model(model, selection, working);
      for (const tag of selection.damagedTags) telling.tag(tag);
      for (const history of selection.tags) await exporting.tag(history, working);
    }),
  );
}

class Exporting {
  readonly #origin: Origin;
  readonly #writer: ArchiveWriter;
  readonly #telling: Telling;

  constructor(origin: Origin, writer: ArchiveWriter, telling: Telling) {
    this.#origin = origin;
    this.#writer = writer;
    this.#telling = telling;
  }

  async model(
    { hash, bytes }: SelectedModel,
    { named }: Pick<Selection, "named">,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      if (await this.#add(hash, signal)) return this.#telling.model({ hash, created: true, bytes }, bytes);
    } catch (error) {
      throw asCorrupt(error, hash);
    }
    // A collector took it since it was listed, so that no tag led to it.
    if (!named) return this.#telling.passed(hash, bytes);
    throw new PipekitError("REF_NOT_FOUND", `The model ${hash} was deleted while it was exported.`, {
      field: "refs",
      mend: "Tag or pin what must not be collected, then export again.",
    });
  }

  /** False when there is no such model. */
  async #add(hash: string, signal: AbortSignal): Promise<boolean> {
    const { backend, reading, verified } = this.#origin;
    const described = await reading.documents(hash, signal);
    if (described === undefined) return false;
    const { metadata, documents } = described;
    const atUs = metadata.createdAtMs * 1000;
    const add = (file: string, content: Buffer) => this.#writer.add(modelKey(hash, file), content, atUs);
    await add(FILES.operator, documents.operator);
    if (documents.preview !== undefined) await add(FILES.preview, documents.preview);
    const { weights } = metadata;
    if (weights !== undefined) {
      const read = verifiedWeights(backend, hash, weights, 0, verified, signal);
      const chunks = counted(read, (done) => this.#telling.moved(hash, done));
      await this.#writer.addLarge(modelKey(hash, FILES.weights), { ...weights, chunks }, atUs);
    }
    await add(FILES.metadata, documents.metadata);
    return true;
  }

  /** A move that is missing is left out, as it is in the registry. */
  async tag(history: History, signal: AbortSignal): Promise<void> {
    const { name, seq: end, atUs } = history.last;
    let moves = 0;
    for (let seq = 1; seq <= end; seq++) {
      const move = await history.moveAt(seq, signal);
      if (move === undefined) continue;
      await this.#writer.add(logKey(name, seq), encodeLog(move), move.atUs);
      moves += 1;
    }
    await this.#writer.add(tagKey(name), encodeTag(history.last), atUs);
    this.#telling.tag({ name, moves, problem: "" });
  }
}
