/** The registry's gRPC handlers: requests to calls, calls to answers, and nothing else. */
import {
  type LoadRequest,
  type LoadResponse,
  PipekitError,
  type RegistryServiceServer,
  type StoreHeader,
  type StoreRequest,
  type StoreResponse,
  type VerifyRequest,
  type VerifyResponse,
  type WatchTagRequest,
  type WatchTagResponse,
} from "@pipekit/proto";
import type { Logger } from "pino";
import type { NewModel, Registries, WeightsSource } from "../registry/index.ts";
import { clientStream, serverStream, unary } from "./calls.ts";
import { swept } from "./sweep.ts";

/** Handlers of RegistryService. */
export function registryService(options: { registries: Registries; log: Logger }): RegistryServiceServer {
  const { registries, log } = options;
  return {
    store: clientStream(log, (requests, signal) => store(registries, requests, signal)),
    load: serverStream(log, (request, signal) => load(registries, request, signal), { oneAtATime: true }),
    stat: unary(log, async ({ registry, ref }, signal) => ({
      model: await (await registries.open(registry)).stat(ref, signal),
    })),
    list: unary(log, async ({ registry, ...query }, signal) =>
      (await registries.open(registry)).list(query, signal),
    ),
    tag: unary(log, async ({ registry, ...request }, signal) => ({
      move: await (await registries.open(registry)).tag(request, signal),
    })),
    resolveTag: unary(log, async ({ registry, ref }, signal) =>
      (await registries.open(registry)).resolve(ref, signal),
    ),
    tagHistory: unary(log, async ({ registry, name, ...query }, signal) =>
      (await registries.open(registry)).tagHistory(name, query, signal),
    ),
    watchTag: serverStream(log, (request, signal) => watchTag(registries, request, signal)),
    verify: serverStream(log, (request, signal) => verify(registries, request, signal)),
  };
}

async function store(
  registries: Registries,
  requests: AsyncIterable<StoreRequest>,
  signal: AbortSignal,
): Promise<StoreResponse> {
  // Not a for-await loop: leaving one early would destroy the stream that the error is yet to be sent on.
  const parts = requests[Symbol.asyncIterator]();
  const first = await parts.next();
  if (first.done || first.value.part?.$case !== "header") {
    throw invalid("header", "A store must begin with a header.", "Send the header as the first message.");
  }
  const header = first.value.part.value;
  const registry = await registries.open(header.registry);
  const model: NewModel = { ...header, weights: weightsSource(header, parts) };
  if (model.weights?.kind !== "stream" && !(await parts.next()).done) {
    throw invalid(
      "weights_chunk",
      "A message follows a header that announces none.",
      "Set has_weights alone.",
    );
  }
  return registry.store(model, signal);
}

function weightsSource(header: StoreHeader, parts: AsyncIterator<StoreRequest>): WeightsSource | undefined {
  const { hasWeights, weightsPath, weightsStaged } = header;
  if (!hasWeights && weightsPath !== "") {
    throw invalid("weights_path", "A model without weights has no weights path.", "Set has_weights.");
  }
  if (!hasWeights) return undefined;
  if (weightsPath !== "") return { kind: "path", path: weightsPath, staged: weightsStaged };
  return { kind: "stream", chunks: swept(chunksOf(parts)) };
}

async function* chunksOf(parts: AsyncIterator<StoreRequest>): AsyncGenerator<Buffer> {
  for (;;) {
    const next = await parts.next();
    if (next.done) return;
    if (next.value.part?.$case !== "weightsChunk") {
      throw invalid(
        "weights_chunk",
        "A message without weights stands among the chunks.",
        "Send one header only.",
      );
    }
    yield next.value.part.value;
  }
}

async function* load(
  registries: Registries,
  request: LoadRequest,
  signal: AbortSignal,
): AsyncGenerator<LoadResponse> {
  const registry = await registries.open(request.registry);
  const { model, weightsPath, weights } = await registry.load(request.ref, request, signal);
  yield { part: { $case: "header", value: { model, weightsPath } } };
  for await (const value of swept(weights)) yield { part: { $case: "weightsChunk", value } };
}

async function* watchTag(
  registries: Registries,
  request: WatchTagRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchTagResponse> {
  const registry = await registries.open(request.registry);
  for await (const move of registry.watchTag(request.name, request.afterSeq, signal)) yield { move };
}

async function* verify(
  registries: Registries,
  request: VerifyRequest,
  signal: AbortSignal,
): AsyncGenerator<VerifyResponse> {
  const registry = await registries.open(request.registry);
  yield* registry.verify(request.refs, signal);
}

function invalid(field: string, message: string, mend: string): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", message, { field, mend });
}
