/** The protocol with one of its protections taken away, as a wrapper around one actor's backend. */
import type { ObjectInfo, RegistryBackend } from "@pipekit/adapters/registry";
import { never } from "../../contract/registry-harness.ts";
import type { Weather } from "./explore.ts";
import type { Flaw } from "./participants.ts";

export type Mutation = (backend: RegistryBackend) => RegistryBackend;

const LEASES = "_leases/";
const MARKS = "_leases/stored/";
const isLease = (key: string): boolean => key.startsWith(LEASES) && !key.startsWith(MARKS);
const isTombstone = (key: string): boolean => key.startsWith("_gc/") && !key.startsWith("_gc/clock");

/** Answers of scans that were made too early; each is given once. */
class Early {
  readonly #backend: RegistryBackend;
  readonly #found = new Map<string, readonly ObjectInfo[]>();

  constructor(backend: RegistryBackend) {
    this.#backend = backend;
  }

  async look(prefix: string): Promise<void> {
    this.#found.set(prefix, await this.#backend.scan(prefix, { limit: 1000 }, never));
  }

  scan: RegistryBackend["scan"] = async (prefix, options, signal) => {
    const found = this.#found.get(prefix);
    if (found === undefined) return this.#backend.scan(prefix, options, signal);
    // Whoever scans goes on until a page is empty.
    const page = options.after === undefined ? found : [];
    if (page.length === 0) this.#found.delete(prefix);
    return page;
  };
}

export const COLLECTOR: Readonly<Record<string, Mutation>> = {
  "reads leases before it writes its tombstone": (backend) => {
    const early = new Early(backend);
    return {
      ...backend,
      scan: early.scan,
      create: async (key, ...rest) => {
        if (isTombstone(key)) await early.look(LEASES);
        return backend.create(key, ...rest);
      },
    };
  },
  "takes no notice of leases": (backend) => ({
    ...backend,
    scan: async (prefix, ...rest) => (prefix === LEASES ? [] : backend.scan(prefix, ...rest)),
  }),
  "reads tags before leases": (backend) => {
    let names: readonly string[] | undefined;
    return {
      ...backend,
      scan: async (prefix, ...rest) => {
        if (prefix === LEASES) names ??= await backend.list("_tags/", { limit: 1000 }, never);
        return backend.scan(prefix, ...rest);
      },
      list: async (prefix, ...rest) =>
        prefix === "_tags/" && names !== undefined ? names : backend.list(prefix, ...rest),
    };
  },
  "reads pins before leases": (backend) => before(backend, LEASES, "_pins/"),
  "reads marks before leases": (backend) => before(backend, LEASES, MARKS),
  "reads a model's files before leases": (backend) => {
    const early = new Early(backend);
    let hash = "";
    return {
      ...backend,
      create: (key, ...rest) => {
        if (isTombstone(key)) hash = key.slice("_gc/".length, "_gc/".length + 64);
        return backend.create(key, ...rest);
      },
      scan: async (prefix, options, signal) => {
        if (prefix === LEASES && options.after === undefined) await early.look(`${hash}/`);
        return early.scan(prefix, options, signal);
      },
    };
  },
  "deletes metadata.json last": (backend) => {
    let metadata = "";
    return {
      ...backend,
      remove: async (key, signal) => {
        if (key.endsWith("/metadata.json")) metadata = key;
        else {
          if (isTombstone(key) && metadata !== "") await backend.remove(metadata, signal);
          await backend.remove(key, signal);
        }
      },
    };
  },
  "drops its tombstone before it has deleted all": (backend) => {
    const own: string[] = [];
    return {
      ...backend,
      create: (key, ...rest) => {
        if (isTombstone(key)) own.push(key);
        return backend.create(key, ...rest);
      },
      remove: async (key, signal) => {
        for (const tombstone of own.splice(0)) await backend.remove(tombstone, signal);
        await backend.remove(key, signal);
      },
    };
  },
  "drops the tombstone of a deletion that was not answered": (backend) => {
    const own: string[] = [];
    const lossy = unanswered(backend);
    return {
      ...backend,
      create: (key, ...rest) => {
        if (isTombstone(key)) own.push(key);
        return backend.create(key, ...rest);
      },
      remove: async (key, signal) => {
        await lossy.remove(key, signal).catch(async (error: unknown) => {
          for (const tombstone of own) await backend.remove(tombstone, signal);
          throw error;
        });
      },
    };
  },
};

/** No flaw of the protocol: a deletion of metadata.json is not answered, and the server does it only later. */
export function unanswered(backend: RegistryBackend): RegistryBackend {
  return {
    ...backend,
    remove: async (key, signal) => {
      const removing = backend.remove(key, signal);
      if (!key.endsWith("/metadata.json")) return removing;
      throw new Error("No answer.");
    },
  };
}

export const HOLDER: Readonly<Record<string, Mutation>> = {
  "looks for tombstones before it writes its lease": (backend) => {
    const early = new Early(backend);
    return {
      ...backend,
      scan: early.scan,
      create: async (key, ...rest) => {
        if (isLease(key)) await early.look(`_gc/${key.slice(LEASES.length, LEASES.length + 64)}.`);
        return backend.create(key, ...rest);
      },
    };
  },
  "writes its lease where nobody looks": (backend) => {
    const hidden = (key: string): string => (isLease(key) ? `_nowhere/${key}` : key);
    return {
      ...backend,
      create: (key, ...rest) => backend.create(hidden(key), ...rest),
      info: (key, ...rest) => backend.info(hidden(key), ...rest),
      remove: (key, ...rest) => backend.remove(hidden(key), ...rest),
    };
  },
  "takes no notice of tombstones": (backend) => ({
    ...backend,
    scan: async (prefix, ...rest) => (isTombstone(prefix) ? [] : backend.scan(prefix, ...rest)),
  }),
  "looks for the model before it waits for tombstones": (backend) => {
    let seen: Awaited<ReturnType<RegistryBackend["get"]>>;
    let seenInfo: Awaited<ReturnType<RegistryBackend["info"]>>;
    return {
      ...backend,
      scan: async (prefix, ...rest) => {
        if (isTombstone(prefix)) {
          const key = `${prefix.slice("_gc/".length, -1)}/metadata.json`;
          seen ??= await backend.get(key, never);
          seenInfo ??= seen && { key, size: seen.bytes.length, modifiedAtUs: 0 };
        }
        return backend.scan(prefix, ...rest);
      },
      get: async (key, signal) =>
        key.endsWith("/metadata.json") && seen !== undefined ? seen : backend.get(key, signal),
      info: async (key, signal) =>
        key.endsWith("/metadata.json") && seenInfo !== undefined ? seenInfo : backend.info(key, signal),
    };
  },
  "drops its lease before it publishes": (backend) => {
    const own: string[] = [];
    return {
      ...backend,
      create: async (key, ...rest) => {
        if (isLease(key)) own.push(key);
        else for (const lease of own.splice(0)) await backend.remove(lease, never);
        return backend.create(key, ...rest);
      },
    };
  },
  "leaves no mark": (backend) => ({
    ...backend,
    create: async (key, ...rest) => (key.startsWith(MARKS) ? "none" : backend.create(key, ...rest)),
  }),
};

/** A flaw that takes time, or failures, to show, and the weather in which it does. */
export interface SlowFlaw {
  readonly collectors?: Flaw;
  readonly holders?: Flaw;
  readonly weather: Weather;
  /** Both actors begin within this, milliseconds. */
  readonly startWithinMs: number;
}

const CALM: Weather = { failure: 0, death: 0, delay: 0, slowMs: 0 };
const MINUTE = 60_000;

export const SLOW: Readonly<Record<string, SlowFlaw>> = {
  "collectors look at no clock": {
    collectors: { times: { deletingMs: Number.POSITIVE_INFINITY } },
    weather: { ...CALM, slowMs: 3 * MINUTE },
    startWithinMs: 20 * MINUTE,
  },
  "holders take a tombstone for dead too soon": {
    holders: { times: { tombstoneMs: 5_000 } },
    weather: { ...CALM, slowMs: 8_000 },
    startWithinMs: MINUTE,
  },
  "collectors take a lease for dead too soon": {
    collectors: { times: { leaseMs: 10_000 } },
    weather: { ...CALM, slowMs: 8_000 },
    startWithinMs: MINUTE,
  },
  "holders neither renew nor look at a clock": {
    holders: { times: { renewMs: 1e9, holdMs: Number.POSITIVE_INFINITY } },
    weather: { ...CALM, slowMs: 3 * MINUTE },
    startWithinMs: 30 * MINUTE,
  },
  "holders do not look at a clock when renewals fail": {
    holders: { times: { holdMs: Number.POSITIVE_INFINITY }, wrap: failingRenewals },
    weather: { ...CALM, slowMs: 3 * MINUTE },
    startWithinMs: 30 * MINUTE,
  },
};

function failingRenewals(backend: RegistryBackend): RegistryBackend {
  return {
    ...backend,
    create: (key, ...rest) =>
      isLease(key) && !key.endsWith(".1.json")
        ? Promise.reject(new Error("No renewal."))
        : backend.create(key, ...rest),
  };
}

function before(backend: RegistryBackend, prefix: string, other: string): RegistryBackend {
  const early = new Early(backend);
  return {
    ...backend,
    scan: async (asked, options, signal) => {
      if (asked === prefix && options.after === undefined) await early.look(other);
      return early.scan(asked, options, signal);
    },
  };
}
