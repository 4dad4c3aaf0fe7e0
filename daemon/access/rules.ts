/** How methods are guarded: the form of a rule, and all that there are. */
import type { ServiceDefinition } from "@grpc/grpc-js";
import type { Deed } from "./roles.ts";

/** A deed that a request asks for. */
export interface Ask {
  readonly deed: Deed;
  /** The field of the request in which the name stands; empty for the method itself. */
  readonly field: string;
  /** Id or prefix of a run. */
  readonly run?: string;
  readonly tag?: string;
  /** Spec of a registry as it was sent. */
  readonly registry?: string;
}

/** Whether a caller may see what an answer names. */
export interface Sight {
  run(id: string, name?: string): Promise<boolean>;
  /** A tag of the registry that the request named. */
  tag(name: string): boolean;
}

/** How a method is guarded. */
export interface Rule {
  /** What is needed for the call at all, on whichever name. */
  readonly least: Deed;
  /** Throws REF_INVALID. */
  asks(request: unknown): readonly Ask[];
  /** The answer without what the caller may not see; undefined for nothing at all. Absent: all of it is shown. */
  readonly shown?: (answer: unknown, sight: Sight) => Promise<unknown>;
}

/** A method of a generated service. */
interface Method<Q> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Q;
}

/** By path of the method. */
export const rules = new Map<string, Rule>();

/** Guards a method. */
export function guard<Q>(
  method: Method<Q>,
  least: Deed,
  asks: (request: Q) => readonly Ask[],
  shown?: Rule["shown"],
): void {
  rules.set(method.path, { least, asks: asks as Rule["asks"], ...(shown && { shown }) });
}

/** Guards methods that name nothing. */
export function forAll(service: ServiceDefinition, deed: Deed, ...names: string[]): void {
  for (const name of names) {
    const method = service[name];
    if (method !== undefined) rules.set(method.path, { least: deed, asks: () => [] });
  }
}
