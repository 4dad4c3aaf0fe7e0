import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { Leases } from "../collecting/leases.ts";
import type { Reading } from "../reading.ts";
import type { Resolving } from "../resolving.ts";
import type { Storing } from "../storing.ts";
import type { Tags } from "../tags.ts";
import type { VerifiedFiles } from "../verified.ts";

/** The parts of a registry that models are taken from. */
export interface Origin {
  readonly backend: RegistryBackend;
  readonly tags: Tags;
  readonly resolving: Resolving;
  readonly reading: Reading;
  readonly verified: VerifiedFiles;
}

/** The parts of a registry, which models can be brought into as well. */
export interface CopyParts extends Origin {
  readonly storing: Storing;
  readonly leases: Leases;
}
