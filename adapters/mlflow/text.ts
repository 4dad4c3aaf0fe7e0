/** Texts that MLflow and its databases store. */

import { createHash } from "node:crypto";

/** A text that every database behind MLflow can store: no NUL, no half of a surrogate pair. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

/**
 * Cuts a value to `limit` code points, the unit MLflow counts in. What is left ends in a marker with the length and
 * the digest of the whole, so that one value is always cut to the same text and two values to different ones.
 */
export function cut(value: string, limit: number): string {
  if (value.length <= limit) return value;
  const points = [...value];
  if (points.length <= limit) return value;
  const marker = ` [cut by pipekit: ${points.length} characters, sha256 ${sha256(value).slice(0, 16)}]`;
  return points.slice(0, limit - marker.length).join("") + marker;
}

export function sha256(text: string | Buffer): string {
  return createHash("sha256").update(text).digest("hex");
}
