/** Objects, wherever they are: one remote after the other, until each object is found whole. */
import { DatasetFault } from "../dataset.ts";
import type { OnBytes } from "../registry.ts";
import { eachOf } from "../workers.ts";
import type { Remotes } from "./remotes/opening.ts";
import { keysOf, type Remote, type WantedObject } from "./remotes/remote.ts";
import type { Repository } from "./repository.ts";
import { missing, named, type Tally } from "./transfer.ts";

/** What was harmed on its way is asked for once more. */
const TRIES = 2;

export class Search {
  readonly #repository: Repository;
  readonly #remotes: Remotes;
  readonly #names: readonly string[];
  readonly #tally: Tally;
  readonly #signal: AbortSignal;

  /** In the remote of this name; when it is empty, in the default one and then in all others. */
  constructor(repository: Repository, remotes: Remotes, name: string, tally: Tally, signal: AbortSignal) {
    const first = name || repository.config.defaultRemote;
    this.#repository = repository;
    this.#remotes = remotes;
    const others = remotes.names.filter((other) => other.toLowerCase() !== first.toLowerCase());
    this.#names = name === "" ? [...(first === "" ? [] : [first]), ...others] : [name];
    this.#tally = tally;
    this.#signal = signal;
  }

  /** Fetches them into the cache. Throws DatasetFault. */
  async fetchAll(objects: readonly WantedObject[]): Promise<void> {
    const places: string[] = [];
    const faults: DatasetFault[] = [];
    const damaged = new Map<WantedObject, DatasetFault>();
    let left = objects;
    for (const name of this.#names) {
      if (left.length === 0) return;
      try {
        const remote = await this.#remotes.open(name);
        left = await this.#fetchFrom(remote, left, damaged);
        places.push(`\`${name}\` (${remote.place})`);
      } catch (error) {
        // A remote that is away does not keep another one from having it.
        if (!(error instanceof DatasetFault) || (error.kind !== "remote" && error.kind !== "invalid"))
          throw error;
        faults.push(error);
        left = await missing(this.#repository, left, this.#signal);
      }
    }
    const [first] = left;
    if (first === undefined) return;
    throw damaged.get(first) ?? this.#nobodyHas(first, left.length - 1, places, faults);
  }

  /** Returns what the remote does not have whole. */
  async #fetchFrom(
    remote: Remote,
    objects: readonly WantedObject[],
    damaged: Map<WantedObject, DatasetFault>,
  ): Promise<readonly WantedObject[]> {
    const left = new Set<WantedObject>();
    const fetch = async (object: WantedObject, stop: AbortSignal): Promise<void> => {
      try {
        const isFetched = await this.#tally.moving((onBytes) =>
          this.#fetchOne(remote, object, stop, onBytes),
        );
        if (!isFetched) left.add(object);
      } catch (error) {
        if (!(error instanceof DatasetFault) || error.kind !== "corrupt") throw error;
        left.add(object);
        damaged.set(object, harmed(object, remote, error));
      }
    };
    await eachOf(objects, remote.jobs, fetch, this.#signal);
    return objects.filter((object) => left.has(object));
  }

  /** False when the remote has none. Throws DatasetFault `corrupt` for other bytes. */
  async #fetchOne(
    remote: Remote,
    object: WantedObject,
    signal: AbortSignal,
    onBytes: OnBytes,
  ): Promise<boolean> {
    const { hash, algorithm } = object;
    for (const key of keysOf(object)) {
      for (let attempt = 1; ; attempt++) {
        let isThere = false;
        const write = async (temp: string): Promise<void> => {
          isThere = await remote.fetch(key, temp, signal, onBytes);
          if (!isThere) throw new Absent();
        };
        try {
          await this.#repository.cache.receive(hash, write, algorithm);
          return true;
        } catch (error) {
          if (error instanceof Absent) break;
          const mayPass = error instanceof DatasetFault && error.kind === "corrupt" && attempt < TRIES;
          if (!mayPass) throw error;
        }
      }
    }
    return false;
  }

  #nobodyHas(
    object: WantedObject,
    more: number,
    places: readonly string[],
    faults: readonly DatasetFault[],
  ): DatasetFault {
    const searched = places.length === 0 ? "" : ` Searched: the cache, ${places.join(", ")}.`;
    const others = more === 0 ? "" : ` So it is with ${more} more.`;
    const [fault] = faults;
    const field = object.path || object.hash;
    if (fault !== undefined) {
      const kind = faults.find(({ kind }) => kind === "remote")?.kind ?? fault.kind;
      const away = faults.map(({ message }) => message).join(" ");
      const message = `The cache lacks ${named(object)}.${others} ${away}${searched}`;
      return new DatasetFault(kind, message, { field: fault.field, mend: fault.mend, cause: fault });
    }
    if (places.length === 0) {
      return new DatasetFault(
        "not-found",
        `The cache lacks ${named(object)}, and the repository has no remote.${others}`,
        {
          field,
          mend: "Add the data anew, or add a remote that has it: `dvc remote add -d NAME URL`.",
        },
      );
    }
    return new DatasetFault("not-found", `Nobody has ${named(object)}.${others}${searched}`, {
      field,
      mend: "Push it from a host that has it, or name another remote.",
    });
  }
}

/** Ends a reception of what is not there. */
class Absent extends Error {}

function harmed(object: WantedObject, remote: Remote, cause: DatasetFault): DatasetFault {
  const message = `What \`${remote.name}\` (${remote.place}) has of ${named(object)} is damaged: ${cause.message}`;
  const mend = "Remove that object from the remote, then push it from a host that has it whole.";
  return new DatasetFault("corrupt", message, { field: object.path || object.hash, mend, cause });
}
