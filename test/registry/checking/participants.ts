/** Who takes part: the registry's own code on a World, a set of instances for each actor as each daemon has. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { TIMES, type Times, timesFor } from "../../../daemon/registry/collecting/clock.ts";
import { collect } from "../../../daemon/registry/collecting/collecting.ts";
import { Leases } from "../../../daemon/registry/collecting/leases.ts";
import type { Parts } from "../../../daemon/registry/collecting/parts.ts";
import { checkPolicy } from "../../../daemon/registry/collecting/policy.ts";
import { checkNewModel } from "../../../daemon/registry/new-model.ts";
import { Pins } from "../../../daemon/registry/pins.ts";
import { Promoting } from "../../../daemon/registry/promoting.ts";
import { Resolving } from "../../../daemon/registry/resolving.ts";
import { Storing } from "../../../daemon/registry/storing.ts";
import { Tags } from "../../../daemon/registry/tags.ts";
import { VerifiedFiles } from "../../../daemon/registry/verified.ts";
import { never, newModel, streamOf } from "../../contract/registry-harness.ts";
import type { World } from "./world.ts";

const MINUTE_US = 60_000_000;

export interface Participant {
  /** Stores the model with these weights, and tags it if there is a name; resolves to its hash. */
  store(weights: string, name?: string): Promise<string>;
  tag(name: string, hash: string): Promise<unknown>;
  rollback(name: string): Promise<unknown>;
  untag(name: string): Promise<unknown>;
  pin(hash: string): Promise<unknown>;
  unpin(hash: string): Promise<unknown>;
  /** Collects what is older than `minAgeMin` minutes; histories keep nothing. Resolves to the hashes that went. */
  gc(minAgeMin: number): Promise<string[]>;
  readonly parts: Parts;
  readonly tags: Tags;
}

/** What is wrong with an actor: something between it and the backend, or other times than it should keep. */
export interface Flaw {
  readonly wrap?: (backend: RegistryBackend) => RegistryBackend;
  readonly times?: Partial<Times>;
}

export function participant(world: World, actor: string, flaw: Flaw = {}): Participant {
  const { wrap: wrapped = (backend) => backend } = flaw;
  const times = { ...TIMES, ...flaw.times };
  const backend = wrapped(world.backend(actor));
  const clock = world.clock(actor);
  const processes = { mark: actor, isGone: (mark: string) => world.isDead(mark) };
  const leases = new Leases(backend, clock, times, processes);
  const tags = new Tags(backend, () => undefined, clock);
  const resolving = new Resolving(backend, tags);
  const promoting = new Promoting(backend, tags, resolving, leases);
  const pins = new Pins(backend, resolving, leases);
  const storing = new Storing(backend, "/nowhere", new VerifiedFiles(), leases);
  const parts = { backend, tags, clock, processes, times: timesFor(backend.properties, times) };
  const request = (name: string) => ({ name, force: true, expectedHash: "", actor, reason: "" });
  return {
    parts,
    tags,
    async store(weights, name = "") {
      const model = newModel({ weights: streamOf(weights), name, actor });
      const stored = await storing.store(
        model,
        checkNewModel(model),
        never,
        name === ""
          ? undefined
          : (hash, lease) => promoting.tagHeld({ ...request(name), hash }, lease, never),
      );
      await leases.settled();
      return stored.metadata.hash;
    },
    async tag(name, hash) {
      await promoting.tag({ ...request(name), ref: hash }, never);
      await leases.settled();
    },
    async rollback(name) {
      await promoting.rollback({ name, steps: 1, actor, reason: "" }, never);
      await leases.settled();
    },
    untag: (name) => promoting.delete({ name, expectedHash: "", actor, reason: "" }, never),
    async pin(hash) {
      await pins.pin({ ref: hash, actor, reason: "" }, never);
      await leases.settled();
    },
    unpin: (hash) => pins.unpin(hash, never),
    async gc(minAgeMin) {
      const policy = checkPolicy({
        keepLast: 0,
        minAgeUs: minAgeMin * MINUTE_US,
        keepMoves: 0,
        keepMovedUs: 0,
        keepMetadataJson: [],
      });
      const gone: string[] = [];
      for await (const { part } of collect(parts, { policy, apply: true, actor }, never)) {
        if (part?.$case === "entry" && part.value.deleted) gone.push(part.value.hash);
      }
      return gone;
    },
  };
}
