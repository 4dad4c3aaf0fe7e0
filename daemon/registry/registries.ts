/** The registries a daemon has open, by spec. */

import type { RegistryKind } from "@pipekit/adapters/registry";
import { SpecError } from "@pipekit/adapters/tracker";
import { PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import { BackedRegistry } from "./backed.ts";
import type { Registry } from "./registry.ts";

export interface Registries {
  /** The registry of a spec, opened once; of the default spec when it is empty. Throws INVALID_REGISTRY_SPEC. */
  open(spec: string): Promise<Registry>;
}

export interface RegistriesOptions {
  readonly kinds: readonly RegistryKind[];
  /** Spec of the registry that an empty spec stands for. */
  readonly defaultSpec: string;
  /** Folder in which same-host clients put files that the daemon may take. */
  readonly stagingFolder: string;
  readonly log: Logger;
}

export function createRegistries(options: RegistriesOptions): Registries {
  const opened = new Map<string, Promise<Registry>>();
  return {
    async open(spec) {
      const { kind, canonical } = parseSpec(options.kinds, spec === "" ? options.defaultSpec : spec);
      const known = opened.get(canonical);
      if (known !== undefined) return known;
      const opening = openRegistry(kind, canonical, options);
      opened.set(canonical, opening);
      // The next call tries again.
      opening.catch(() => opened.delete(canonical));
      return opening;
    },
  };
}

async function openRegistry(kind: RegistryKind, spec: string, options: RegistriesOptions): Promise<Registry> {
  try {
    const backend = await kind.open(spec);
    return new BackedRegistry(backend, options.stagingFolder, options.log.child({ registry: spec }));
  } catch (error) {
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
    throw new PipekitError("INVALID_REGISTRY_SPEC", `No kind of registry has the spec \`${spec}\`.`, {
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
