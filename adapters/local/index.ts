/** Registry backend for a folder of this host: `local:/absolute/folder`. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ensureFolder } from "../files.ts";
import type { RegistryKind } from "../registry.ts";
import { LocalBackend, TEMP_FOLDER } from "./backend.ts";
import { localRoot, parseLocalSpec } from "./spec.ts";

/** Age after which a temporary file is taken for the remains of a dead process. */
const STALE_MS = 24 * 60 * 60 * 1000;

export const localRegistry: RegistryKind = {
  schemes: ["local"],
  parse: parseLocalSpec,
  async open(spec) {
    const root = localRoot(spec);
    const temp = join(root, TEMP_FOLDER);
    await ensureFolder(temp);
    const backend = new LocalBackend(parseLocalSpec(spec), root, (await stat(root)).mode);
    const never = new AbortController().signal;
    for await (const _ of backend.litter({ olderThanMs: STALE_MS, remove: true }, never));
    return backend;
  },
};
