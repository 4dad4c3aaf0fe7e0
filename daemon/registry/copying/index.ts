/**
 * Models with their tags and histories from one place to another: registry to registry, and through archives.
 *
 * Architecture Invariant: a model comes over byte for byte, and its digests are checked on the way; what is in the target
 * already is left as it is. A tag's history is taken over as it is or not at all, unless the caller forces one new move.
 */
export { exportModels } from "./archive/export.ts";
export { importModels } from "./archive/import.ts";
export { copyModels } from "./copy.ts";
export type { CopyParts } from "./parts.ts";
