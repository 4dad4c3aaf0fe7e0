/** The registry's half of the fake daemon. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type LoadResponse,
  type Model,
  PipekitError,
  type StoreHeader,
  type TagMove,
  type WatchTagResponse,
} from "@pipekit/proto";
import { type Answer, type FakeStream, type FakeUpload, serverStream, settle, unary } from "./fake-calls.ts";

interface FakeModel {
  readonly model: Model;
  readonly weights: Buffer;
}

type Watcher = { readonly name: string; readonly send: (message: WatchTagResponse) => void };

const WEIGHTS_CHUNK = 1024 * 1024;

export class FakeRegistryService {
  readonly models = new Map<string, FakeModel>();
  readonly moves = new Map<string, TagMove[]>();
  /** Changes chunks of weights on their way out. */
  tamper: (chunk: Buffer, offset: number) => Buffer | undefined = (chunk) => chunk;
  readonly #folder: string;
  readonly #watchers = new Set<Watcher>();

  /** `folder` is where the weights' file would lie. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Moves a tag as another client would. */
  move(name: string, hash: string): TagMove {
    const moves = this.moves.get(name) ?? [];
    const previous = moves.at(-1);
    const move = {
      name,
      seq: (previous?.seq ?? 0) + 1,
      hash,
      previousHash: previous?.hash ?? "",
      actor: "somebody@else",
      atUs: 1_700_000_000_000_000 + moves.length * 1_000_000,
      reason: "",
    };
    moves.push(move);
    this.moves.set(name, moves);
    for (const watcher of this.#watchers) if (watcher.name === name) watcher.send({ move });
    return move;
  }

  /** Puts a model in, without the way through `store`. */
  addModel(weights: Buffer, header: Partial<StoreHeader> = {}): Model {
    const operatorJson = header.operatorJson ?? '{"module":"m","class":"C","config":{}}';
    const weightsSha256 = createHash("sha256").update(weights).digest("hex");
    const manifest = JSON.stringify([operatorJson, weightsSha256]);
    const model: Model = {
      hash: createHash("sha256").update(manifest).digest("hex"),
      manifest,
      operatorJson,
      metadataJson: header.metadataJson || "{}",
      weightsSha256,
      weightsSize: weights.length,
      hasWeights: header.hasWeights ?? true,
      weightsFormat: header.weightsFormat ?? "",
      runId: header.runId ?? "",
      createdAtUs: 1_700_000_000_000_000,
      tags: [],
      trainingConfigJson: header.trainingConfigJson ?? "",
      datasetHash: header.datasetHash ?? "",
      previewJson: header.previewJson ?? "",
    };
    this.models.set(model.hash, { model, weights });
    return model;
  }

  forgetWatchers(): void {
    this.#watchers.clear();
  }

  handlers() {
    return {
      store: (call: FakeUpload, answer: Answer<unknown>) => {
        let header: StoreHeader | undefined;
        const chunks: Buffer[] = [];
        call.on("data", ({ part }) => {
          if (part?.$case === "header") header = part.value;
          else if (part !== undefined) chunks.push(part.value);
        });
        call.on("end", () =>
          settle(answer, () => {
            if (header === undefined) throw new PipekitError("INVALID_ARGUMENT", "No header.");
            const weights =
              header.weightsPath === "" ? Buffer.concat(chunks) : readFileSync(header.weightsPath);
            const before = this.models.size;
            const model = this.addModel(weights, header);
            const move = header.name === "" ? undefined : this.#tag(header.name, model.hash, header.force);
            return { model, created: this.models.size > before, move };
          }),
        );
      },
      load: serverStream(
        async function* (
          this: FakeRegistryService,
          request: { ref: string; byPath: boolean; offset: number },
        ): AsyncGenerator<LoadResponse> {
          const { model, weights } = this.#model(request.ref);
          const weightsPath = request.byPath ? join(this.#folder, "weights.bin") : "";
          yield { part: { $case: "header", value: { model, weightsPath } } };
          if (request.byPath) return;
          for (let at = request.offset; at < weights.length; at += WEIGHTS_CHUNK) {
            const chunk = this.tamper(weights.subarray(at, at + WEIGHTS_CHUNK), at);
            if (chunk !== undefined) yield { part: { $case: "weightsChunk", value: chunk } };
          }
        }.bind(this),
      ),
      stat: unary(({ ref }: { ref: string }) => ({ model: this.#withTags(this.#model(ref).model) })),
      list: unary(() => ({
        models: [...this.models.values()].map(({ model }) => this.#withTags(model)),
        nextPageToken: "",
      })),
      tag: unary((request: { ref: string; name: string; force: boolean; expectedHash: string }) => {
        const current = this.moves.get(request.name)?.at(-1)?.hash ?? "";
        if (request.expectedHash !== "" && request.expectedHash !== current) {
          throw new PipekitError("TAG_CONFLICT", `The tag ${request.name} points elsewhere.`, {
            field: request.name,
          });
        }
        return { move: this.#tag(request.name, this.#model(request.ref).model.hash, request.force) };
      }),
      resolveTag: unary(({ ref }: { ref: string }) => ({
        hash: this.#model(ref).model.hash,
        move: this.moves.get(ref)?.at(-1),
      })),
      tagHistory: unary(({ name }: { name: string }) => {
        const moves = this.moves.get(name);
        if (moves === undefined) throw notFound(name);
        return { moves: moves.toReversed(), nextPageToken: "" };
      }),
      watchTag: (call: FakeStream<WatchTagResponse> & { request: { name: string; afterSeq: number } }) => {
        const { name, afterSeq } = call.request;
        const moves = this.moves.get(name) ?? [];
        const due = afterSeq === 0 ? moves.slice(-1) : moves.filter((move) => move.seq > afterSeq);
        for (const move of due) call.write({ move });
        const watcher = { name, send: (message: WatchTagResponse) => void call.write(message) };
        this.#watchers.add(watcher);
        call.on("cancelled", () => this.#watchers.delete(watcher));
      },
      verify: serverStream(
        async function* (this: FakeRegistryService) {
          for (const { model, weights } of this.models.values()) {
            const sound = createHash("sha256").update(weights).digest("hex") === model.weightsSha256;
            const problems = sound ? [] : ["The weights do not have their digest."];
            yield { hash: model.hash, problems, bytesRead: weights.length, total: this.models.size };
          }
        }.bind(this),
      ),
    };
  }

  #model(ref: string): FakeModel {
    const hash = this.moves.get(ref)?.at(-1)?.hash ?? ref;
    const found = [...this.models.values()].find(({ model }) => model.hash.startsWith(hash));
    if (found !== undefined) return found;
    throw notFound(ref);
  }

  #withTags(model: Model): Model {
    const tags = [...this.moves]
      .filter(([, moves]) => moves.at(-1)?.hash === model.hash)
      .map(([name]) => name);
    return { ...model, tags: tags.sort() };
  }

  #tag(name: string, hash: string, force: boolean): TagMove {
    const last = this.moves.get(name)?.at(-1);
    if (last?.hash === hash) return last;
    if (last !== undefined && !force) {
      const mend = "Give --force to move it.";
      throw new PipekitError("TAG_EXISTS", `The tag ${name} points elsewhere.`, { field: name, mend });
    }
    return this.move(name, hash);
  }
}

function notFound(ref: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `Nothing answers to ${ref}.`, {
    field: ref,
    mend: "See `pkx models list`.",
  });
}
