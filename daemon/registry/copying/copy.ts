/** From registry to registry. */
import { eachOf } from "@pipekit/adapters/workers";
import { type CopyEvent, PipekitError } from "@pipekit/proto";
import { Damage } from "../metadata.ts";
import { asCorrupt } from "../model.ts";
import type { CopyOptions } from "../registry.ts";
import { readyOf, sendWeights } from "./outgoing.ts";
import type { CopyParts, Origin } from "./parts.ts";
import { type SelectedModel, type Selection, select } from "./selection.ts";
import { Target } from "./target.ts";
import { Telling } from "./telling.ts";

/** Models on their way at once: many are small, and each takes some ten requests one after the other. */
const AT_ONCE = 4;

/**
 * Models first, then tags. A damaged model is left behind with the tags that lead to it, the others are brought over, and
 * CORRUPT_MODEL is thrown at the end. Cancelled and begun anew, it goes on where it was.
 */
export async function* copyModels(
  origin: Origin,
  into: CopyParts,
  options: CopyOptions,
  signal: AbortSignal,
): AsyncGenerator<CopyEvent> {
  if (origin.backend.spec === into.backend.spec) {
    throw new PipekitError("INVALID_ARGUMENT", "The target is the registry itself.", {
      field: "target",
      mend: "Name another registry.",
    });
  }
  const selection = await select(origin, options.refs, options.withoutTags, signal);
  const bytes = selection.models.reduce((sum, model) => sum + model.bytes, 0);
  const telling = new Telling("copying", { bytes, models: selection.models.length });
  const target = new Target(into);
  yield* telling.during(signal, async (working) => {
    const copying = new Copying(origin, target, selection, options, telling);
    await copying.models(working);
    for (const tag of selection.damagedTags) telling.tag(tag);
    for (const history of selection.tags) {
      telling.tag(await target.bring(history, { ...options, from: origin.backend.spec }, working));
    }
    copying.throwDamage();
  });
}

class Copying {
  readonly #origin: Origin;
  readonly #target: Target;
  readonly #selection: Selection;
  readonly #options: CopyOptions;
  readonly #telling: Telling;
  readonly #damaged: PipekitError[] = [];

  constructor(origin: Origin, target: Target, selection: Selection, options: CopyOptions, telling: Telling) {
    this.#origin = origin;
    this.#target = target;
    this.#selection = selection;
    this.#options = options;
    this.#telling = telling;
  }

  /** The first failure ends the others. */
  async models(signal: AbortSignal): Promise<void> {
    const copy = (model: SelectedModel, working: AbortSignal) => this.#model(model, working);
    await eachOf(this.#selection.models, AT_ONCE, copy, signal);
  }

  throwDamage(): void {
    const [first, ...more] = this.#damaged;
    if (first === undefined) return;
    if (more.length === 0) throw first;
    throw new PipekitError(first.code, `${first.message} ${more.length} other models are damaged as well.`, {
      field: first.field,
      mend: "See them by `pkx models verify`; all others were copied.",
      cause: first,
    });
  }

  async #model({ hash, bytes }: SelectedModel, signal: AbortSignal): Promise<void> {
    try {
      const copied = await this.#copy(hash, bytes, signal);
      if (copied !== undefined) return this.#telling.model({ hash, ...copied }, bytes);
      // A collector of the origin took it since it was listed, so that no tag led to it.
      if (this.#selection.named) throw vanished(hash);
    } catch (error) {
      const corrupt = error instanceof Damage ? asCorrupt(error, hash) : error;
      if (!(corrupt instanceof PipekitError && corrupt.code === "CORRUPT_MODEL")) throw corrupt;
      if (await this.#origin.resolving.exists(hash, signal)) this.#damaged.push(corrupt);
      else if (this.#selection.named) throw vanished(hash);
    }
    this.#telling.passed(hash, bytes);
  }

  /** Undefined when the model is gone. */
  async #copy(
    hash: string,
    bytes: number,
    signal: AbortSignal,
  ): Promise<{ created: boolean; bytes: number } | undefined> {
    if (await this.#target.has(hash, signal)) return { created: false, bytes };
    const { backend, reading } = this.#origin;
    const described = await reading.documents(hash, signal);
    if (described === undefined) return undefined;
    const { weights } = described.metadata;
    // Where bytes go on over a network, half of the way is behind them once they are received.
    const remote = this.#target.backend.localPath(hash) === undefined;
    const moved = (done: number) => this.#telling.moved(hash, remote ? Math.floor(done / 2) : done);
    const pending =
      weights && (await sendWeights(backend, hash, weights, this.#target.backend, moved, signal));
    const sent = (done: number) => this.#telling.moved(hash, Math.floor(((weights?.size ?? 0) + done) / 2));
    const { created } = await this.#target.adopt(
      readyOf(described),
      pending,
      this.#options.actor,
      sent,
      signal,
    );
    return { created, bytes };
  }
}

function vanished(hash: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `The model ${hash} was deleted while it was copied.`, {
    field: "refs",
    mend: "Tag or pin what must not be collected, then copy again.",
  });
}
