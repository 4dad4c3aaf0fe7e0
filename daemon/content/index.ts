/**
 * Content: files by digest, and the canonical texts that digests are made of.
 *
 * Architecture Invariant: canonical JSON is made here and nowhere else, in no client.
 */
export { isPassing } from "@pipekit/adapters/files";
export { canonicalJson, canonicalText, compactText } from "./canonical.ts";
export type { Hold } from "./holds.ts";
export { JsonNumber, type JsonObject, type JsonValue, parseJson } from "./json.ts";
export { checkClientPath } from "./staging.ts";
export { type ContentStore, openContentStore } from "./store.ts";
export { unreadable } from "./walk.ts";
