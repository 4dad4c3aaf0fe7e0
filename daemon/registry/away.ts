/** A registry whose server did not answer when it was to be opened: what this host keeps of it loads all the same. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import type { PipekitError } from "@pipekit/proto";
import type { ModelCache } from "./cache/index.ts";
import { Loading } from "./loading.ts";
import { Reading } from "./reading.ts";
import type { Registry } from "./registry.ts";
import { Resolving } from "./resolving.ts";
import { Tags } from "./tags.ts";

/** Everything that needs the server throws `failure`. */
export function awayRegistry(spec: string, failure: PipekitError, cache: ModelCache): Registry {
  const backend = awayBackend(spec, failure);
  const resolving = new Resolving(backend, new Tags(backend, () => undefined));
  const loading = new Loading(backend, resolving, new Reading(backend, cache), cache);
  const kept: Pick<Registry, "spec" | "load" | "resolve" | "stat"> = {
    spec,
    load: (...given) => loading.load(...given),
    resolve: (...given) => loading.resolve(...given),
    stat: (...given) => loading.stat(...given),
  };
  const registry = failing<Registry>(kept, ["atomic"], failure);
  failures.set(registry, failure);
  return registry;
}

const failures = new WeakMap<Registry, PipekitError>();

/** Why a registry is away; undefined for one that is not. */
export function whyAway(registry: Registry): PipekitError | undefined {
  return failures.get(registry);
}

function awayBackend(spec: string, failure: PipekitError): RegistryBackend {
  const known = { spec, localPath: () => undefined, fetch: undefined, copy: undefined };
  return failing<RegistryBackend>(known, ["properties"], failure);
}

/** An object that has the members given, and throws at each call of another and at each look at `values`. */
function failing<T extends object>(known: object, values: readonly string[], failure: PipekitError): T {
  return new Proxy(known, {
    get(target, name) {
      // A promise that resolves to this object looks whether it is another promise.
      if (name in target || name === "then") return Reflect.get(target, name);
      const fail = (): never => {
        throw failure;
      };
      return values.includes(String(name)) ? fail() : fail;
    },
  }) as T;
}
