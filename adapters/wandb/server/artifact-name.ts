/** Names of artifacts that W&B takes. */

import { createHash } from "node:crypto";

const LONGEST = 128;

/**
 * W&B takes letters, digits and `_ - .` in names of artifacts, at most 128. Any other name is written with dashes and
 * ends in a part of its digest, so that two names do not meet.
 */
export function wandbArtifactName(name: string): string {
  if (/^[A-Za-z0-9_.-]{1,128}$/.test(name)) return name;
  const suffix = `-${createHash("sha256").update(name).digest("hex").slice(0, 10)}`;
  return `${name.replace(/[^A-Za-z0-9_.-]/gu, "-").slice(0, LONGEST - suffix.length)}${suffix}`;
}
