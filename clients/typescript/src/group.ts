import { createHash } from "node:crypto";
import { PipekitError, type RunStart } from "@pipekit/proto";
import { uuidToULID } from "ulid";

/** Which of the processes that write a run together this one is. */
export interface GroupOptions {
  /** Names the group, such as `slurm-42`: the same in all its processes, and in no other job. */
  readonly id: string;
  /** Number of this process, from 0. */
  readonly rank: number;
  /** How many processes there are. */
  readonly worldSize?: number | undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
const GROUP = /^[^\x00-\x1f\x7f]{1,200}$/;
const MOST = 2 ** 31 - 1;

/**
 * The run id of a group: the first 128 bits of SHA-256 over `pipekit group 1`, group and name, each ended by a NUL, in the
 * letters of a ULID. Its time means nothing. The clients of other languages make the same.
 */
export function groupRunId(group: string, name: string): string {
  const hash = createHash("sha256").update(`pipekit group 1\0${group}\0${name}\0`).digest("hex");
  return uuidToULID(hash.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"));
}

/** Throws INVALID_ARGUMENT, which names the field. */
export function checkGroup({ id, rank, worldSize = 0 }: GroupOptions): void {
  const fault = (field: string, message: string, mend: string) =>
    new PipekitError("INVALID_ARGUMENT", message, { field, mend });
  if (!GROUP.test(id))
    throw fault("group", "The group is no name of 1 to 200 characters.", "Pass the job's id.");
  const isCount = (count: number) => Number.isInteger(count) && count >= 0 && count <= MOST;
  if (!isCount(rank))
    throw fault("rank", `The rank ${rank} is no number from 0.`, "Pass the process's rank.");
  if (isCount(worldSize) && (worldSize === 0 || rank < worldSize)) return;
  throw fault("worldSize", `Of ${worldSize} processes, none has the rank ${rank}.`, "Ranks count from 0.");
}

/** The start of a member: what the run is delivered to and configured with is rank 0's to say, once. */
export function memberStart(start: RunStart, { id, rank, worldSize = 0 }: GroupOptions): RunStart {
  const own = rank === 0 ? {} : { tracker: "", sinks: [], configJson: "", tags: {} };
  return { ...start, ...own, member: { group: id, rank, worldSize } };
}
