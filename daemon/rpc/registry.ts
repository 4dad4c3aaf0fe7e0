/** The registry's gRPC handlers: requests to calls, calls to answers, and nothing else. */
import type {
  LoadRequest,
  LoadResponse,
  RegistryServiceServer,
  StoreRequest,
  StoreResponse,
  StoreWithProgressRequest,
  StoreWithProgressResponse,
  WatchTagRequest,
  WatchTagResponse,
} from "@pipekit/proto";
import type { Logger } from "pino";
import type { NewModel, OnProgress, Registries } from "../registry/index.ts";
import { bidiStream, clientStream, serverStream, unary } from "./calls.ts";
import { telling } from "./progress.ts";
import { swept } from "./sweep.ts";
import { invalid, weightsSource } from "./weights.ts";

/** Handlers of RegistryService. */
export function registryService(options: { registries: Registries; log: Logger }): RegistryServiceServer {
  const { registries, log } = options;
  return {
    store: clientStream(log, (requests, signal, principal) => store(registries, requests, principal, signal)),
    load: serverStream(log, (request, signal) => load(registries, request, signal), { oneAtATime: true }),
    storeWithProgress: bidiStream(log, (requests, signal, principal) =>
      storeWithProgress(registries, requests, principal, signal),
    ),
    stat: unary(log, async ({ registry, ref }, signal) => ({
      model: await (await registries.open(registry)).stat(ref, signal),
    })),
    list: unary(log, async ({ registry, ...query }, signal) =>
      (await registries.open(registry)).list(query, signal),
    ),
    tag: unary(log, async ({ registry, ...request }, signal, principal) => ({
      move: await (await registries.open(registry)).tag({ ...request, principal }, signal),
    })),
    resolveTag: unary(log, async ({ registry, ref }, signal) =>
      (await registries.open(registry)).resolve(ref, signal),
    ),
    tagHistory: unary(log, async ({ registry, name, ...query }, signal) =>
      (await registries.open(registry)).tagHistory(name, query, signal),
    ),
    watchTag: serverStream(log, (request, signal) => watchTag(registries, request, signal)),
    rollbackTag: unary(log, async ({ registry, steps, ...request }, signal, principal) => {
      const deed = { ...request, steps: steps || 1, principal };
      return { move: await (await registries.open(registry)).rollbackTag(deed, signal) };
    }),
    deleteTag: unary(log, async ({ registry, ...request }, signal, principal) => ({
      move: await (await registries.open(registry)).deleteTag({ ...request, principal }, signal),
    })),
    listTags: unary(log, async ({ registry, ...query }, signal) =>
      (await registries.open(registry)).listTags(query, signal),
    ),
    pin: unary(log, async ({ registry, ...request }, signal) => ({
      pin: await (await registries.open(registry)).pin(request, signal),
    })),
    unpin: unary(log, async ({ registry, ref }, signal) => ({
      removed: await (await registries.open(registry)).unpin(ref, signal),
    })),
    listPins: unary(log, async ({ registry }, signal) => ({
      pins: await (await registries.open(registry)).listPins(signal),
    })),
    gc: serverStream(log, async function* ({ registry, ...request }, signal) {
      yield* (await registries.open(registry)).gc(request, signal);
    }),
    verify: serverStream(log, async function* ({ registry, refs, quick }, signal) {
      yield* (await registries.open(registry)).verify(refs, signal, { quick });
    }),
    copy: serverStream(log, async function* ({ registry, target, ...request }, signal, principal) {
      const options = { ...request, principal };
      const [from, to] = [await registries.open(registry), await registries.open(target)];
      for await (const event of from.copyTo(to, options, signal)) yield { event };
    }),
    export: serverStream(log, async function* ({ registry, path, ...options }, signal) {
      const from = await registries.open(registry);
      for await (const event of from.exportTo(path, options, signal)) yield { event };
    }),
    import: serverStream(log, async function* ({ registry, path, ...request }, signal, principal) {
      const options = { ...request, principal };
      const into = await registries.open(registry);
      for await (const event of into.importFrom(path, options, signal)) yield { event };
    }),
    diff: unary(log, async ({ registry, refA, refB }, signal) =>
      (await registries.open(registry)).diff(refA, refB, signal),
    ),
    describeRegistry: unary(log, async ({ registry }) => {
      const { spec, atomic } = await registries.open(registry);
      return { spec, atomic };
    }),
  };
}

async function store(
  registries: Registries,
  requests: AsyncIterable<StoreRequest>,
  principal: string,
  signal: AbortSignal,
  onProgress?: OnProgress,
): Promise<StoreResponse> {
  // Not a for-await loop: leaving one early would destroy the stream that the error is yet to be sent on.
  const parts = requests[Symbol.asyncIterator]();
  const first = await parts.next();
  if (first.done || first.value.part?.$case !== "header") {
    throw invalid("header", "A store must begin with a header.", "Send the header as the first message.");
  }
  const header = first.value.part.value;
  const registry = await registries.open(header.registry);
  const model: NewModel = { ...header, principal, weights: weightsSource(header, parts) };
  if (model.weights?.kind !== "stream" && !(await parts.next()).done) {
    throw invalid(
      "weights_chunk",
      "A message follows a header that announces none.",
      "Set has_weights alone.",
    );
  }
  return header.hashOnly
    ? registry.hash(model, signal, onProgress)
    : registry.store(model, signal, onProgress);
}

async function* storeWithProgress(
  registries: Registries,
  requests: AsyncIterable<StoreWithProgressRequest>,
  principal: string,
  signal: AbortSignal,
): AsyncGenerator<StoreWithProgressResponse> {
  const parts = mapped(requests, ({ request }) => request ?? { part: undefined });
  for await (const told of telling((onProgress) => store(registries, parts, principal, signal, onProgress))) {
    if (told.kind === "progress") yield { part: { $case: "progress", value: told.progress } };
    else yield { part: { $case: "stored", value: told.answer } };
  }
}

/** An iterable of other things. Like its source it is not closed early. */
function mapped<A, B>(source: AsyncIterable<A>, change: (item: A) => B): AsyncIterable<B> {
  return {
    [Symbol.asyncIterator]() {
      const items = source[Symbol.asyncIterator]();
      return {
        async next() {
          const item = await items.next();
          return item.done ? { done: true, value: undefined } : { done: false, value: change(item.value) };
        },
      };
    },
  };
}

async function* load(
  registries: Registries,
  request: LoadRequest,
  signal: AbortSignal,
): AsyncGenerator<LoadResponse> {
  const registry = await registries.open(request.registry);
  for await (const told of telling((onProgress) => registry.load(request.ref, request, signal, onProgress))) {
    if (told.kind === "progress") {
      if (request.progress) yield { part: { $case: "progress", value: told.progress } };
      continue;
    }
    const { model, weightsPath, weights } = told.answer;
    yield { part: { $case: "header", value: { model, weightsPath } } };
    for await (const value of swept(weights)) yield { part: { $case: "weightsChunk", value } };
  }
}

async function* watchTag(
  registries: Registries,
  request: WatchTagRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchTagResponse> {
  const registry = await registries.open(request.registry);
  for await (const move of registry.watchTag(request.name, request.afterSeq, signal)) yield { move };
}
