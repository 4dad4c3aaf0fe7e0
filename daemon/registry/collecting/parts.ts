import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { Tags } from "../tags.ts";
import type { Clock, Times } from "./clock.ts";
import type { Processes } from "./tombstone.ts";

/** What a collection works with. */
export interface Parts {
  readonly backend: RegistryBackend;
  readonly tags: Tags;
  readonly clock: Clock;
  readonly processes: Processes;
  /** As they are on this backend. */
  readonly times: Times;
}
