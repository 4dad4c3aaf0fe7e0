import { PipekitError, type RegistryServiceClient } from "@pipekit/proto";
import { ulid } from "ulid";
import { type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";

/** What a registry promises. */
export interface RegistryDescription {
  /** Canonical spec. */
  readonly spec: string;
  /** Whether moves of tags are linearizable among daemons; false: among the calls of one daemon. */
  readonly atomic: boolean;
}

/** The most entries of a list that the daemon gives at a time: each page costs it a listing. */
export const PAGE = 1000;

/** One registry of the daemon: what all calls to it share. */
export abstract class RegistryCalls {
  readonly spec: string;
  protected readonly connection: Connection;

  constructor(connection: Connection, spec: string) {
    this.connection = connection;
    this.spec = spec;
  }

  /** Opens the registry and tells what it promises. Throws INVALID_REGISTRY_SPEC, REGISTRY_REFUSED, REGISTRY_UNAVAILABLE. */
  describe({ signal }: CallSettings = {}): Promise<RegistryDescription> {
    const request = { registry: this.spec };
    return this.ask(
      (registry) => unary(registry.describeRegistry.bind(registry), request, { signal }),
      signal,
    );
  }

  /** Makes a call; once more when the daemon has gone meanwhile. */
  protected ask<A>(
    make: (registry: RegistryServiceClient) => Promise<A>,
    signal: AbortSignal | undefined,
  ): Promise<A> {
    return this.connection.call(({ registry }) => make(registry), signal);
  }

  /**
   * Makes a call that moves a tag, under one id in all attempts; once more when the daemon has gone meanwhile. One that does
   * not know such ids is asked once: when its answer is lost, nobody knows whether the tag was moved. A daemon that had gone
   * before is found or started first.
   */
  protected async askMove<A>(
    make: (registry: RegistryServiceClient, moveId: string) => Promise<A>,
    signal: AbortSignal | undefined,
  ): Promise<A> {
    const moveId = newMoveId();
    if (this.connection.hello.capabilities.includes("move_id")) {
      return this.ask((registry) => make(registry, moveId), signal);
    }
    await this.describe({ signal });
    return make(this.connection.services.registry, moveId);
  }
}

/** What names one call that moves a tag, in all its attempts. */
export function newMoveId(): string {
  return ulid();
}

/** A part that every answer has. */
export function present<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new PipekitError("INTERNAL", `The daemon answered without a ${what}.`);
  return part;
}
