/**
 * Bringing data sets to remotes. Files go first and a folder's listing when all of them are there, so that a listing in a
 * remote means a whole folder, also after a kill. What is there is not sent again.
 */
import { DatasetFault, type DatasetWork } from "../dataset.ts";
import { eachOf } from "../workers.ts";
import { legacyMd5OfFile } from "./legacy-digest.ts";
import type { Remotes } from "./remotes/opening.ts";
import { keyOf, type Remote, type WantedObject, WrongBytes } from "./remotes/remote.ts";
import type { Repository } from "./repository.ts";
import type { Target } from "./targets.ts";
import {
  distinct,
  filesOf,
  isListing,
  LOOKING,
  mayLieIn,
  named,
  rootOf,
  Tally,
  type Transferred,
} from "./transfer.ts";

/** An object of the cache that a remote lacks. */
interface Sendable extends WantedObject {
  /** Of the file in the cache, bytes. */
  readonly size: number;
}

/** Pushes to the remote named, or to each target's own, or the default one. Throws DatasetFault. */
export async function pushTargets(
  repository: Repository,
  remotes: Remotes,
  targets: readonly Target[],
  remote: string,
  work: DatasetWork,
): Promise<Transferred> {
  // A wrong name is told also when there is nothing to send.
  if (remote !== "") await remotes.open(remote);
  const meant = targets.filter((target) => target.output?.isPushed !== false && mayLieIn(target, remote));
  const groups = Map.groupBy(meant, ({ output }) => {
    const name = remote || output?.remote || repository.config.defaultRemote;
    if (name === "") throw noDefault(remotes);
    return name;
  });
  const tally = new Tally("sending", work);
  let present = 0;
  for (const [name, group] of groups) {
    present += await pushTo(repository, await remotes.open(name), group, tally, work.signal);
  }
  return { objects: tally.objects, bytes: tally.bytes, present };
}

/** Returns how many objects were there. */
async function pushTo(
  repository: Repository,
  remote: Remote,
  targets: readonly Target[],
  tally: Tally,
  signal: AbortSignal,
): Promise<number> {
  const roots = targets.map((target) => rootOf(repository, target));
  const listed = await Promise.all(
    targets.map(async (target) =>
      (await repository.cache.has(target.hash, target.algorithm)) ? filesOf(repository, target) : [],
    ),
  );
  // A listing vouches for all files of its folder: one whose folder is pushed in part waits for the whole.
  const listings = distinct(roots.filter((root, index) => isListing(root) && targets[index]?.within === ""));
  const files = distinct([...roots.filter((root) => !isListing(root)), ...listed.flat()]);
  const keys = [...files, ...listings].map(({ hash, algorithm }) => keyOf(hash, algorithm));
  const there = await remote.sizes(keys, signal);
  const sendable = await whatIsLacking(repository, remote, [...files, ...listings], there, signal);
  tally.expect(
    sendable.length,
    sendable.reduce((sum, { size }) => sum + size, 0),
  );
  const waves = [sendable.filter((object) => !isListing(object)), sendable.filter(isListing)];
  for (const wave of waves) await sendAll(repository, remote, wave, tally, signal);
  return keys.length - sendable.length;
}

/** What the remote has not, or has with another size. Throws DatasetFault `not-found` for what the cache lacks as well. */
async function whatIsLacking(
  repository: Repository,
  remote: Remote,
  objects: readonly WantedObject[],
  there: ReadonlyMap<string, number>,
  signal: AbortSignal,
): Promise<readonly Sendable[]> {
  const sendable: Sendable[] = [];
  const nowhere: WantedObject[] = [];
  const look = async (object: WantedObject): Promise<void> => {
    const size = await repository.cache.size(object.hash, object.algorithm);
    const found = there.get(keyOf(object.hash, object.algorithm));
    if (size !== undefined && size !== found) sendable.push({ ...object, size });
    else if (size === undefined && found === undefined) nowhere.push(object);
  };
  await eachOf(objects, LOOKING, look, signal);
  const [first] = nowhere;
  if (first === undefined) return sendable;
  const more = nowhere.length > 1 ? ` So it is with ${nowhere.length - 1} more.` : "";
  throw new DatasetFault(
    "not-found",
    `Neither the cache nor \`${remote.name}\` (${remote.place}) has ${named(first)}.${more}`,
    {
      field: first.path || first.hash,
      mend: "Push from a host that has it, or add the data anew.",
    },
  );
}

async function sendAll(
  repository: Repository,
  remote: Remote,
  objects: readonly Sendable[],
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  // Small ones first: the work of many is seen to be done early, and large ones go in parts, one after the other.
  const ordered = objects.toSorted((a, b) => a.size - b.size);
  const send = async (object: Sendable, stop: AbortSignal): Promise<void> => {
    await tally.moving(async (onBytes) => {
      await sendOne(repository, remote, object, stop, onBytes);
      return true;
    });
  };
  await eachOf(ordered, remote.jobs, send, signal);
}

/** Nothing is sent whose bytes are not what its name says. */
async function sendOne(
  { cache }: Repository,
  remote: Remote,
  object: WantedObject,
  signal: AbortSignal,
  onBytes: (done: number, total: number) => void,
): Promise<void> {
  const { hash, algorithm } = object;
  const path = cache.path(hash, algorithm);
  const expected = hash.replace(/\.dir$/, "");
  try {
    if (algorithm === "md5-dos2unix") {
      const found = await legacyMd5OfFile(path);
      if (found !== expected) throw new WrongBytes(found);
    }
    await remote.send(
      keyOf(hash, algorithm),
      path,
      algorithm === "md5" ? expected : undefined,
      signal,
      onBytes,
    );
  } catch (error) {
    if (!(error instanceof WrongBytes)) throw error;
    throw new DatasetFault(
      "corrupt",
      `The cache's object of ${named(object)} is damaged: its MD5 is ${error.md5}. It was not sent.`,
      {
        field: path,
        mend: "Remove that file, then add the data anew, or pull it from a remote that has it.",
        cause: error,
      },
    );
  }
}

function noDefault({ names }: Remotes): DatasetFault {
  const known = names.map((name) => `\`${name}\``).join(", ");
  return new DatasetFault("invalid", "The repository has no default remote.", {
    field: "remote",
    mend:
      known === ""
        ? "Add one: `dvc remote add -d NAME URL`."
        : `Name one of ${known}, or choose it: \`dvc remote default NAME\`.`,
  });
}
