/** Registries for the contract suite: one in this process, one behind a real gRPC server on a unix socket. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Server, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { localRegistry } from "@pipekit/adapters/local";
import type { RegistryKind } from "@pipekit/adapters/registry";
import {
  type CopyEvent,
  type DeleteTagResponse,
  type ListPinsResponse,
  type LoadResponse,
  MAX_MESSAGE_BYTES,
  type Model,
  type Pin,
  type PinResponse,
  PipekitError,
  RegistryServiceClient,
  RegistryServiceService,
  type ResolveTagResponse,
  type RollbackTagResponse,
  type StatResponse,
  type StoreResponse,
  type TagMove,
  type TagResponse,
  type UnpinResponse,
} from "@pipekit/proto";
import { pino } from "pino";
import {
  createRegistries,
  type NewModel,
  type Registries,
  type Registry,
  type StoreResult,
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
  /** A fresh local registry, reached in the same way. */
  other(): Promise<Registry>;
  close(): Promise<void>;
}

/** Where the registries of a suite lie. */
export interface RegistryPlace {
  readonly kinds: readonly RegistryKind[];
  /** Spec of a registry that nobody has used; `root` is a folder for those that need one. */
  newSpec(root: string): string;
  readonly env: NodeJS.ProcessEnv;
}

const LOCAL: RegistryPlace = {
  kinds: [localRegistry],
  newSpec: (root) => `local:${root}`,
  env: process.env,
};

/** A fresh registry in this process; a local one unless a place is given. */
export async function inProcess(place = LOCAL): Promise<RegistryFixture> {
  return (await fixtureIn(place)).fixture;
}

/** The same behind gRPC. */
export async function overGrpc(place = LOCAL): Promise<RegistryFixture> {
  const { fixture, registries } = await fixtureIn(place);
  const served = await serve(registries(), join(fixture.scratch, "r.sock"));
  return {
    ...fixture,
    registry: remoteRegistry(served.client, "", fixture.registry.atomic),
    other: async () => remoteRegistry(served.client, (await fixture.other()).spec),
    async close() {
      served.client.close();
      served.server.forceShutdown();
      await fixture.close();
    },
  };
}

async function fixtureIn(
  place: RegistryPlace,
): Promise<{ readonly fixture: RegistryFixture; registries(): Registries }> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-registry-"));
  const [root, staging, scratch] = [join(folder, "models"), join(folder, "staging"), join(folder, "scratch")];
  await mkdir(staging);
  await mkdir(scratch);
  const spec = place.newSpec(root);
  const registries = () => registriesAt(place, spec, staging);
  const again = (): Promise<Registry> => registries().open("");
  const close = () => rm(folder, { recursive: true, force: true });
  const other = () => registriesOn(join(folder, `other-${others++}`), staging).open("");
  return { fixture: { registry: await again(), root, staging, scratch, again, other, close }, registries };
}

/** Local registries. */
export function registriesOn(root: string, stagingFolder: string): Registries {
  return registriesAt(LOCAL, `local:${root}`, stagingFolder);
}

let caches = 0;
let others = 0;

export function registriesAt(
  { kinds, env }: Pick<RegistryPlace, "kinds" | "env">,
  defaultSpec: string,
  stagingFolder: string,
): Registries {
  // A cache of its own: what one has read must not answer for another.
  const cacheFolder = join(stagingFolder, "..", `cache-${process.pid}-${caches++}`);
  const all = kinds.includes(localRegistry) ? kinds : [...kinds, localRegistry];
  return createRegistries({ kinds: all, defaultSpec, stagingFolder, cacheFolder, env, log: silent });
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
export function remoteRegistry(client: RegistryServiceClient, registry = "", atomic = true): Registry {
  const send = async (model: NewModel, signal: AbortSignal, hashOnly: boolean): Promise<StoreResult> => {
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
      moveId: header.moveId ?? "",
      registry,
      hasWeights: weights !== undefined,
      weightsPath: path,
      weightsStaged: staged,
      hashOnly,
    };
    call.write({ part: { $case: "header", value } });
    if (weights?.kind === "stream") {
      let size = 0;
      for await (const chunk of weights.chunks) {
        if (signal.aborted) break;
        size += chunk.length;
        const part = { $case: "weightsChunk", value: chunk } as const;
        await Promise.race([new Promise((sent) => call.write({ part }, sent)), answer.promise]);
      }
      if (!signal.aborted) call.write({ part: { $case: "weightsEnd", value: { size } } });
    }
    if (!signal.aborted) call.end();
    const { model: stored, created, move } = await answer.promise;
    return { model: stored as Model, created, move };
  };
  return {
    spec: registry,
    atomic,
    store: (model, signal) => send(model, signal, false),
    hash: (model, signal) => send(model, signal, true),
    async load(ref, options, signal) {
      const call = client.load({ registry, ref, ...options, progress: false });
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
      const { move } = await unary<TagResponse>((done) =>
        client.tag({ moveId: "", registry, ...request }, done),
      );
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
    verify: (refs, signal, options) =>
      cancelled(client.verify({ registry, refs: [...refs], quick: options?.quick ?? false }), signal),
    async rollbackTag(request) {
      const { move } = await unary<RollbackTagResponse>((done) =>
        client.rollbackTag({ moveId: "", registry, ...request }, done),
      );
      return move as TagMove;
    },
    async deleteTag(request) {
      const { move } = await unary<DeleteTagResponse>((done) =>
        client.deleteTag({ moveId: "", registry, ...request }, done),
      );
      return move as TagMove;
    },
    listTags: (query) => unary((done) => client.listTags({ registry, ...query }, done)),
    async pin(request) {
      const { pin } = await unary<PinResponse>((done) => client.pin({ registry, ...request }, done));
      return pin as Pin;
    },
    unpin: async (ref) =>
      (await unary<UnpinResponse>((done) => client.unpin({ registry, ref }, done))).removed,
    listPins: async () => (await unary<ListPinsResponse>((done) => client.listPins({ registry }, done))).pins,
    gc: (request, signal) => cancelled(client.gc({ registry, ...request }), signal),
    copyTo: (target, options, signal) =>
      events(
        cancelled(
          client.copy({ registry, target: target.spec, ...options, refs: [...options.refs] }),
          signal,
        ),
      ),
    exportTo: (path, options, signal) =>
      events(cancelled(client.export({ registry, path, ...options, refs: [...options.refs] }), signal)),
    importFrom: (path, options, signal) =>
      events(cancelled(client.import({ registry, path, ...options }), signal)),
    diff: (refA, refB) => unary((done) => client.diff({ registry, refA, refB }, done)),
  };
}

/** A typed stream that ends with the signal. */
function cancelled<T>(call: AsyncIterable<T> & { cancel(): void }, signal: AbortSignal): AsyncGenerator<T> {
  signal.addEventListener("abort", () => call.cancel());
  return typedStream(call);
}

async function* events(
  messages: AsyncIterable<{ event?: CopyEvent | undefined }>,
): AsyncGenerator<CopyEvent> {
  for await (const { event } of messages) if (event !== undefined) yield event;
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
export function newModel(part: Partial<NewModel> = {}): NewModel & { readonly moveId: string } {
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
    moveId: "",
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
