/** The registries a daemon has open, by spec. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { RegistryKind } from "@pipekit/adapters/registry";
import { SpecError } from "@pipekit/adapters/tracker";
import { PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import { awayRegistry } from "./away.ts";
import { BackedRegistry, type RegistrySeams } from "./backed.ts";
import { type CacheUses, type ModelCache, openModelCache } from "./cache/index.ts";
import { asRegistryFailure, guarded } from "./guarded.ts";
import { isAway } from "./loading.ts";
import type { Registry } from "./registry.ts";

export interface Registries {
  /** The registry of a spec, opened once; of the default spec when it is empty. Throws INVALID_REGISTRY_SPEC. */
  open(spec: string): Promise<Registry>;
  /** What all specs of one registry are written as; `default` for the default one. Throws INVALID_REGISTRY_SPEC. */
  canonical(spec: string): string;
  /** How the cache of weights of registries elsewhere was used. */
  readonly cacheUses: CacheUses;
}

export interface RegistriesOptions {
  readonly kinds: readonly RegistryKind[];
  /** Spec of the registry that an empty spec stands for. */
  readonly defaultSpec: string;
  /** Folder in which same-host clients put files that the daemon may take. */
  readonly stagingFolder: string;
  /** Folder for temporary files of backends and for the cache of weights; made when it is needed. */
  readonly cacheFolder: string;
  /** Most bytes of weights that are kept there; 0 for none. Default: 20 GB. */
  readonly cacheBytes?: number | undefined;
  /** Names the time since the machine was started; without it, files of the cache are made durable, which is slow. */
  readonly boot?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
  readonly seams?: RegistrySeams;
}

/** What people call the default registry. */
const DEFAULT = "default";
const DEFAULT_CACHE_BYTES = 20e9;

export function createRegistries(options: RegistriesOptions): Registries {
  const opened = new Map<string, Promise<Registry>>();
  const { cacheFolder, cacheBytes = DEFAULT_CACHE_BYTES, boot = "" } = options;
  const cache = openModelCache(cacheFolder, cacheBytes, boot);
  return {
    get cacheUses() {
      return cache.weights.uses;
    },
    canonical(spec) {
      const { kinds, defaultSpec } = options;
      const { canonical } = parseSpec(kinds, spec === "" ? defaultSpec : spec);
      return canonical === parseSpec(kinds, defaultSpec).canonical ? DEFAULT : canonical;
    },
    async open(spec) {
      const { kind, canonical } = parseSpec(options.kinds, spec === "" ? options.defaultSpec : spec);
      const known = opened.get(canonical);
      const opening = known ?? openRegistry(kind, canonical, cache, options);
      opened.set(canonical, opening);
      // The next call tries again.
      opening.catch(() => opened.delete(canonical));
      return opening.catch((error: unknown) => {
        if (isAway(error)) return awayRegistry(canonical, error, cache);
        throw error;
      });
    },
  };
}

async function openRegistry(
  kind: RegistryKind,
  spec: string,
  cache: ModelCache,
  options: RegistriesOptions,
): Promise<Registry> {
  try {
    const scratch = join(options.cacheFolder, "scratch");
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    const backend = await kind.open(spec, { scratch, env: options.env });
    const log = options.log.child({ registry: spec });
    return new BackedRegistry(guarded(backend), options.stagingFolder, cache, log, options.seams);
  } catch (error) {
    const failure = asRegistryFailure(error);
    if (failure !== error) throw failure;
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (!["EACCES", "EROFS", "ENOTDIR", "EEXIST", "EPERM"].includes(code)) throw error;
    throw new PipekitError("INVALID_REGISTRY_SPEC", `The registry ${spec} cannot be opened: ${code}.`, {
      field: "registry",
      mend: "Name a folder that the daemon's user may write.",
      cause: error,
    });
  }
}

function parseSpec(kinds: readonly RegistryKind[], spec: string): { kind: RegistryKind; canonical: string } {
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(spec)?.[1];
  const kind = kinds.find((candidate) => scheme !== undefined && candidate.schemes.includes(scheme));
  if (kind === undefined) {
    const known = kinds.flatMap((candidate) => candidate.schemes).join(", ");
    // Of what is not understood no more is shown: it may hold a password.
    const what = scheme === undefined ? "begins with no scheme" : `has the unknown scheme \`${scheme}\``;
    throw new PipekitError("INVALID_REGISTRY_SPEC", `The registry spec ${what}.`, {
      field: "registry",
      mend: `Begin it with a known scheme (${known}), such as \`local:/srv/models\`.`,
    });
  }
  try {
    return { kind, canonical: kind.parse(spec) };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new PipekitError("INVALID_REGISTRY_SPEC", error.message, {
      field: "registry",
      mend: error.mend,
      cause: error,
    });
  }
}
