/**
 * The registry: models named by the hash of their content, and tags that point to hashes.
 *
 * Architecture Invariant: a model exists when its metadata.json does, which is written last.
 * Architecture Invariant: every load checks every digest; the last chunk of a stream waits for the check.
 * Architecture Invariant: the id of a model is computed here alone; no client computes one.
 * Architecture Invariant: nothing here knows where a backend keeps its objects.
 */
export { type CachedFile, type CacheUses, cachedWeights, clearModelCache } from "./cache/index.ts";
export type { NewModel, WeightsSource } from "./new-model.ts";
export { createRegistries, type Registries, type RegistriesOptions } from "./registries.ts";
export type {
  CopyOptions,
  Deed,
  LoadedModel,
  OnProgress,
  PageQuery,
  Registry,
  StoreResult,
  TagRequestOptions,
} from "./registry.ts";
export type { Resolved } from "./resolving.ts";
