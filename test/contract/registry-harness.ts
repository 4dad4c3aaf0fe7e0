/** Registries for the contract suite: one in this process, one behind a real gRPC server on a unix socket. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Server, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { localRegistry } from "@pipekit/adapters/local";
import {
  type LoadResponse,
  MAX_MESSAGE_BYTES,
  type Model,
  PipekitError,
  RegistryServiceClient,
  RegistryServiceService,
  type ResolveTagResponse,
  type StatResponse,
  type StoreResponse,
  type TagResponse,
} from "@pipekit/proto";
import { pino } from "pino";
import {
  createRegistries,
  type NewModel,
  type Registries,
  type Registry,
} from "../../daemon/registry/index.ts";
import { registryService } from "../../daemon/rpc/registry.ts";

export const silent = pino({ level: "silent" });

/** A registry under test with the folders it works in. */
export interface RegistryFixture {
  readonly registry: Registry;
  /** Folder with the models. */
  readonly root: string;
  /** Staging folder. */
  readonly staging: string;
  /** A folder for the test's own files. */
  readonly scratch: string;
  /** Another registry on the same folder that shares no memory with this one. */
  again(): Promise<Registry>;
  close(): Promise<void>;
}

/** A fresh local registry in this process. */
export async function inProcess(): Promise<RegistryFixture> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-registry-"));
  const [root, staging, scratch] = [join(folder, "models"), join(folder, "staging"), join(folder, "scratch")];
  await mkdir(staging);
  await mkdir(scratch);
  const again = (): Promise<Registry> => registriesOn(root, staging).open("");
  return {
    registry: await again(),
    root,
    staging,
    scratch,
    again,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The same behind gRPC. */
export async function overGrpc(): Promise<RegistryFixture> {
  const local = await inProcess();
  const served = await serve(registriesOn(local.root, local.staging), join(local.scratch, "r.sock"));
  return {
    ...local,
    registry: remoteRegistry(served.client),
    async close() {
      served.client.close();
      served.server.forceShutdown();
      await local.close();
    },
  };
}

export function registriesOn(root: string, stagingFolder: string): Registries {
  return createRegistries({
    kinds: [localRegistry],
    defaultSpec: `local:${root}`,
    stagingFolder,
    log: silent,
  });
}

/** Serves registries on a unix socket, with a client connected to it. */
export async function serve(
  registries: Registries,
  socket: string,
): Promise<{ server: Server; client: RegistryServiceClient }> {
  const server = new Server({ "grpc.max_receive_message_length": MAX_MESSAGE_BYTES });
  server.addService(RegistryServiceService, registryService({ registries, log: silent }));
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return { server, client: connect(socket) };
}

export function connect(socket: string): RegistryServiceClient {
  return new RegistryServiceClient(`unix:${socket}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  });
}

/** A Registry whose every call is a gRPC call. */
export function remoteRegistry(client: RegistryServiceClient, registry = ""): Registry {
  return {
    spec: registry,
    async store(model, signal) {
      const { weights, ...header } = model;
      const answer = Promise.withResolvers<StoreResponse>();
      const call = client.store((error, response) =>
        error === null ? answer.resolve(response) : answer.reject(PipekitError.fromServiceError(error)),
      );
      answer.promise.catch(() => undefined);
      signal.addEventListener("abort", () => call.cancel());
      call.on("error", () => undefined);
      const path = weights?.kind === "path" ? weights.path : "";
      const staged = weights?.kind === "path" && weights.staged;
      const value = {
        ...header,
        registry,
        hasWeights: weights !== undefined,
        weightsPath: path,
        weightsStaged: staged,
      };
      call.write({ part: { $case: "header", value } });
      if (weights?.kind === "stream") {
        for await (const chunk of weights.chunks) {
          if (signal.aborted) break;
          const part = { $case: "weightsChunk", value: chunk } as const;
          await Promise.race([new Promise((sent) => call.write({ part }, sent)), answer.promise]);
        }
      }
      if (!signal.aborted) call.end();
      const { model: stored, created, move } = await answer.promise;
      return { model: stored as Model, created, move };
    },
    async load(ref, options, signal) {
      const call = client.load({ registry, ref, ...options });
      signal.addEventListener("abort", () => call.cancel());
      const parts = typedStream<LoadResponse>(call);
      const first = await parts.next();
      const header = first.done ? undefined : first.value.part;
      if (header?.$case !== "header" || header.value.model === undefined) throw new Error("no header");
      const chunks = async function* (): AsyncGenerator<Buffer> {
        for await (const { part } of parts) if (part?.$case === "weightsChunk") yield part.value;
      };
      return { model: header.value.model, weightsPath: header.value.weightsPath, weights: chunks() };
    },
    async stat(ref) {
      const { model } = await unary<StatResponse>((done) => client.stat({ registry, ref }, done));
      return model as Model;
    },
    list: (query) => unary((done) => client.list({ registry, ...query }, done)),
    async tag(request) {
      const { move } = await unary<TagResponse>((done) => client.tag({ registry, ...request }, done));
      if (move === undefined) throw new Error("no move");
      return move;
    },
    resolve: async (ref) => {
      const { hash, move } = await unary<ResolveTagResponse>((done) =>
        client.resolveTag({ registry, ref }, done),
      );
      return { hash, move };
    },
    tagHistory: (name, query) => unary((done) => client.tagHistory({ registry, name, ...query }, done)),
    async *watchTag(name, afterSeq, signal) {
      const call = client.watchTag({ registry, name, afterSeq });
      signal.addEventListener("abort", () => call.cancel());
      try {
        for await (const { move } of typedStream(call)) if (move !== undefined) yield move;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    verify: (refs) => typedStream(client.verify({ registry, refs: [...refs] })),
  };
}

/** A stream whose failures are PipekitErrors. */
async function* typedStream<T>(call: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* call;
  } catch (error) {
    throw PipekitError.fromServiceError(error as ServiceError);
  }
}

function unary<T>(start: (done: (error: ServiceError | null, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, answer) =>
      error === null ? resolve(answer) : reject(PipekitError.fromServiceError(error)),
    );
  });
}

/** A signal that never aborts. */
export const never = new AbortController().signal;

export const OPERATOR = '{"module":"pkg.models","class":"Net","config":{"layers":[64,64],"dropout":1.0}}';

/** A model with defaults for what a test does not care about. */
export function newModel(part: Partial<NewModel> = {}): NewModel {
  return {
    operatorJson: OPERATOR,
    trainingConfigJson: "",
    datasetHash: "",
    metadataJson: "",
    previewJson: "",
    runId: "",
    name: "",
    force: false,
    actor: "tester@here",
    weights: undefined,
    weightsFormat: "",
    ...part,
  };
}

/** Weights as a stream of chunks. */
export function streamOf(...chunks: (string | Buffer)[]): NewModel["weights"] {
  const source = async function* (): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  };
  return { kind: "stream", chunks: source() };
}

/** Stores a model whose weights are the text, and returns its hash. */
export async function storeText(
  registry: Registry,
  text: string,
  part: Partial<NewModel> = {},
): Promise<string> {
  const { model } = await registry.store(newModel({ weights: streamOf(text), ...part }), never);
  return model.hash;
}

export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

export const sha256 = (content: string | Buffer): string =>
  createHash("sha256").update(content).digest("hex");

/** A tag request with defaults. */
export const move = (name: string, ref: string, part: object = {}) => ({
  name,
  ref,
  force: false,
  expectedHash: "",
  actor: "tester@here",
  reason: "",
  ...part,
});
