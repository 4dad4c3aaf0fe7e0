/**
 * DVC repositories, format for format as DVC 3 keeps them, without DVC: `.dvc` files, dvc.lock, the cache, remotes, locks.
 * The formats are those of DVC 3.67 (Apache-2.0); each file here names the module that it follows.
 */
import { isAbsolute } from "node:path";
import {
  type DatasetCheckout,
  type DatasetChoice,
  type DatasetComparison,
  type DatasetContext,
  DatasetFault,
  type DatasetRepository,
  type DatasetTool,
  type DatasetTransfer,
  type DatasetVersion,
  type DatasetWork,
} from "../dataset.ts";
import { addData } from "./add.ts";
import { checkOut, wantedOf } from "./checkout.ts";
import { digestTree } from "./digests.ts";
import { withLock } from "./lock.ts";
import { Memory } from "./memory.ts";
import { placeFor, recordedPlace } from "./places.ts";
import { Remotes } from "./remotes/opening.ts";
import { Repository } from "./repository.ts";
import { compareTargets, recordedVersion } from "./status.ts";
import { findTargets, inCache, type Target } from "./targets.ts";
import type { Transferred } from "./transfer.ts";
import { fetchTargets } from "./transfer-fetch.ts";
import { pushTargets } from "./transfer-push.ts";
import { readTree } from "./tree.ts";
import { sayingWhy, unreadable } from "./unreadable.ts";
import { refuseWrittenThrough } from "./written-through.ts";

/** Makes the tool. */
export function dvcDatasets(context: DatasetContext): DatasetTool {
  const memory = new Memory(context.cacheFolder);
  return {
    async open(folder) {
      return sayingWhy(async () => saying(new DvcRepository(await Repository.open(folder, context), memory)));
    },
    hash: (path, work) => sayingWhy(() => hashData(undefined, memory, path, work)),
  };
}

/** A repository whose calls end with sentences where the system refuses something. */
function saying(repository: DatasetRepository): DatasetRepository {
  return {
    root: repository.root,
    add: (path, work) => sayingWhy(() => repository.add(path, work)),
    hash: (path, work) => sayingWhy(() => repository.hash(path, work)),
    status: (targets, work) => sayingWhy(() => repository.status(targets, work)),
    push: (choice, work) => sayingWhy(() => repository.push(choice, work)),
    pull: (choice, work) => sayingWhy(() => repository.pull(choice, work)),
    checkout: (choice, work) => sayingWhy(() => repository.checkout(choice, work)),
  };
}

class DvcRepository implements DatasetRepository {
  readonly #repository: Repository;
  readonly #memory: Memory;
  readonly #remotes: Remotes;

  constructor(repository: Repository, memory: Memory) {
    this.#repository = repository;
    this.#memory = memory;
    this.#remotes = new Remotes(repository.config.remotes, repository.context.env);
  }

  get root(): string {
    return this.#repository.root;
  }

  add(path: string, work: DatasetWork): Promise<DatasetVersion> {
    return addData(this.#repository, this.#memory, path, work);
  }

  hash(path: string, work: DatasetWork): Promise<DatasetVersion> {
    return hashData(this.#repository, this.#memory, path, work);
  }

  async status(targets: readonly string[], work: DatasetWork): Promise<readonly DatasetComparison[]> {
    return compareTargets(this.#repository, this.#memory, await findTargets(this.#repository, targets), work);
  }

  async push({ targets, remote }: DatasetChoice, work: DatasetWork): Promise<DatasetTransfer> {
    return withLock(this.#repository, [], work.signal, async () => {
      const found = inCache(await findTargets(this.#repository, targets));
      const moved = await this.#remotes.during((remotes) =>
        pushTargets(this.#repository, remotes, found, remote, work),
      );
      return this.#summed(found, moved);
    });
  }

  async pull(
    choice: DatasetChoice & { readonly force: boolean },
    work: DatasetWork,
  ): Promise<DatasetTransfer> {
    return this.#bring(inCache(await findTargets(this.#repository, choice.targets)), choice, undefined, work);
  }

  async checkout(choice: DatasetCheckout, work: DatasetWork): Promise<DatasetTransfer> {
    if (choice.hash === "") return this.pull(choice, work);
    if (choice.targets.length > 0) {
      throw new DatasetFault("invalid", "A checkout is of targets or of a hash, not of both.", {
        field: "hash",
        mend: "Leave one of them out.",
      });
    }
    const path = placeFor(this.#repository, choice.path);
    const [target] = await findTargets(this.#repository, [choice.hash]);
    const isHash = target !== undefined && target.hash === choice.hash;
    if (!isHash) {
      throw new DatasetFault("invalid", `${choice.hash} is no hash of DVC's.`, {
        field: "hash",
        mend: "Give 32 hexadecimal digits, and .dir after those of a folder.",
      });
    }
    return this.#bring([target], choice, path, work);
  }

  /** Fetches what the cache lacks, then checks it out, at `path` where one is given. */
  async #bring(
    targets: readonly Target[],
    { remote, force }: { readonly remote: string; readonly force: boolean },
    path: string | undefined,
    work: DatasetWork,
  ): Promise<DatasetTransfer> {
    const repository = this.#repository;
    const outputs = targets.flatMap(({ output }) => output ?? []);
    const paths =
      path === undefined
        ? await Promise.all(outputs.map((output) => recordedPlace(repository, output)))
        : [path];
    return withLock(repository, paths, work.signal, async () => {
      if (!force) for (const place of paths) await refuseWrittenThrough(repository, place);
      const known = targets.filter(({ output }) => path !== undefined || output !== undefined);
      const fetched = await this.#remotes
        .during((remotes) => fetchTargets(repository, remotes, targets, remote, work))
        .catch((error: unknown) => {
          throw withDamage(error, repository.cache.damaged);
        });
      const wanted = await Promise.all(known.map((target) => wantedOf(repository, target, path)));
      const done = await checkOut(repository, this.#memory, wanted, force, work);
      return this.#summed(targets, {
        objects: fetched.objects + done.objects,
        bytes: fetched.bytes + done.bytes,
        present: done.present,
      });
    });
  }

  /** Of a part of a folder the version of the whole is told: that is what is recorded. */
  #summed(targets: readonly Target[], moved: Transferred): DatasetTransfer {
    const wholes = targets.map((target) => ({ ...target, within: "" }));
    return {
      ...moved,
      datasets: wholes.map((target) => recordedVersion(this.#repository, target, undefined)),
    };
  }
}

/** What nobody has because its object in the cache was damaged is not just missing. */
function withDamage(error: unknown, damaged: readonly string[]): unknown {
  if (!(error instanceof DatasetFault) || error.kind !== "not-found" || damaged.length === 0) return error;
  const message = `${error.message} Damaged in the cache: ${damaged.join(", ")}.`;
  return new DatasetFault("corrupt", message, { field: error.field, mend: error.mend, cause: error });
}

async function hashData(
  repository: Repository | undefined,
  memory: Memory,
  path: string,
  work: DatasetWork,
): Promise<DatasetVersion> {
  const full = repository?.resolve(path) ?? path;
  if (!isAbsolute(full) || path === "") {
    throw new DatasetFault("invalid", `The path of the data is not absolute: ${path || "(empty)"}.`, {
      field: "path",
      mend: "Give an absolute path, or name a repository that it is relative to.",
    });
  }
  const tree = readTree(full, repository?.ignored);
  if (tree === undefined) throw unreadable(full, "ENOENT");
  const whole = await digestTree(tree, memory, work, { algorithm: "md5", sha256: true });
  const recorded = (await repository?.records())?.find((output) => output.path === full);
  return {
    hash: whole.hash,
    sha256: whole.sha256,
    size: whole.size,
    files: whole.files.length,
    path: repository?.show(full) ?? full,
    recordedIn: recorded?.hash === whole.hash ? (repository?.show(recorded.file) ?? "") : "",
  };
}
