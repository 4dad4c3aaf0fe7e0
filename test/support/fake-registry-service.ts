/** The registry's half of the fake daemon. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type LoadResponse,
  type Model,
  PipekitError,
  type StoreHeader,
  type StoreResponse,
  type TagMove,
  type VerifyRequest,
} from "@pipekit/proto";
import {
  type Answer,
  atItsEnd,
  type FakeStore,
  type FakeUpload,
  serverStream,
  settle,
  unary,
} from "./fake-calls.ts";
import { FakeTags, notFound } from "./fake-registry-tags.ts";
import { FakeUpkeep } from "./fake-registry-upkeep.ts";

interface FakeModel {
  readonly model: Model;
  readonly weights: Buffer;
}

const WEIGHTS_CHUNK = 1024 * 1024;

export class FakeRegistryService {
  readonly models = new Map<string, FakeModel>();
  readonly tags = new FakeTags((ref) => this.#model(ref).model.hash);
  readonly upkeep = new FakeUpkeep();
  /** Changes chunks of weights on their way out. */
  tamper: (chunk: Buffer, offset: number) => Buffer | undefined = (chunk) => chunk;
  readonly #folder: string;

  /** `folder` is where the weights' file would lie. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get moves(): Map<string, TagMove[]> {
    return this.tags.moves;
  }

  /** Moves a tag as another client would. */
  move(name: string, hash: string): TagMove {
    return this.tags.move(name, hash);
  }

  forgetWatchers(): void {
    this.tags.forgetWatchers();
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

  handlers() {
    return {
      store: (call: FakeUpload, answer: Answer<unknown>) => {
        let header: StoreHeader | undefined;
        const chunks: Buffer[] = [];
        call.on("data", ({ part }) => {
          if (part?.$case === "header") header = part.value;
          else if (part?.$case === "weightsChunk") chunks.push(part.value);
        });
        atItsEnd(call, () => settle(answer, () => this.#store(header, chunks)));
      },
      storeWithProgress: (call: FakeStore) => {
        let header: StoreHeader | undefined;
        const chunks: Buffer[] = [];
        call.on("data", ({ request }) => {
          if (request?.part?.$case === "header") header = request.part.value;
          else if (request?.part?.$case === "weightsChunk") chunks.push(request.part.value);
          const bytesDone = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
          const progress = {
            phase: "receiving",
            bytesDone,
            bytesTotal: 0,
            modelsDone: 0,
            modelsTotal: 0,
            filesDone: 0,
            filesTotal: 0,
          };
          call.write({ part: { $case: "progress", value: progress } });
        });
        atItsEnd(call, () => {
          call.write({ part: { $case: "stored", value: this.#store(header, chunks) } });
          call.end();
        });
      },
      load: serverStream(
        async function* (
          this: FakeRegistryService,
          request: { ref: string; byPath: boolean; offset: number; progress: boolean },
        ): AsyncGenerator<LoadResponse> {
          const { model, weights } = this.#model(request.ref);
          if (request.progress) {
            const progress = {
              phase: "fetching",
              bytesDone: 1,
              bytesTotal: 2,
              modelsDone: 0,
              modelsTotal: 0,
              filesDone: 0,
              filesTotal: 0,
            };
            yield { part: { $case: "progress", value: progress } };
          }
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
      ...this.tags.handlers(),
      ...this.upkeep.handlers((ref) => this.#model(ref).model.hash),
      verify: serverStream(
        async function* (this: FakeRegistryService, request: VerifyRequest) {
          this.upkeep.asked.push(request);
          for (const { model, weights } of this.models.values()) {
            const sound = createHash("sha256").update(weights).digest("hex") === model.weightsSha256;
            const problems = sound ? [] : ["The weights do not have their digest."];
            yield { hash: model.hash, problems, bytesRead: weights.length, total: this.models.size };
          }
        }.bind(this),
      ),
    };
  }

  #store(header: StoreHeader | undefined, chunks: readonly Buffer[]): StoreResponse {
    if (header === undefined) throw new PipekitError("INVALID_ARGUMENT", "No header.");
    const weights = header.weightsPath === "" ? Buffer.concat(chunks) : readFileSync(header.weightsPath);
    const before = this.models.size;
    const model = this.addModel(weights, header);
    const move = header.name === "" ? undefined : this.tags.tag(header.name, model.hash, header.force);
    return { model, created: this.models.size > before, move };
  }

  #model(ref: string): FakeModel {
    const hash = this.moves.get(ref)?.at(-1)?.hash || ref;
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
}
