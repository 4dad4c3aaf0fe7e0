/**
 * The file `.dvc/tmp/rwlock`: `{"write": {path: {"pid", "cmd"}}, "read": {path: [{"pid", "cmd"}, ...]}}`, absolute paths.
 * Claims of processes that are gone count for nothing.
 */
import { randomUUID } from "node:crypto";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { z } from "zod";
import { DatasetFault } from "../dataset.ts";
import { isMissing } from "../file-faults.ts";
import { TEMP_PREFIX } from "./links.ts";

/** How the daemon is named there. */
const COMMAND = "pkx daemon";

const CLAIM = z.object({ pid: z.number().int(), cmd: z.string() });
const CLAIMS = z.object({
  write: z.record(z.string(), CLAIM).default({}),
  read: z.record(z.string(), z.array(CLAIM)).default({}),
});

type ClaimsData = z.infer<typeof CLAIMS>;

/** A process that uses a path. */
export interface Blocker {
  readonly path: string;
  readonly pid: number;
  readonly command: string;
}

export class Claims {
  readonly data: ClaimsData;

  constructor(data: ClaimsData) {
    this.data = data;
  }

  /** A living process, other than this one, that uses one of these paths, what is above it or below. */
  blocker(paths: readonly string[]): Blocker | undefined {
    const all = [
      ...Object.entries(this.data.write).map(([path, claim]) => ({ path, claim })),
      ...Object.entries(this.data.read).flatMap(([path, claims]) => claims.map((claim) => ({ path, claim }))),
    ];
    for (const { path, claim } of all) {
      if (claim.pid === process.pid || !isAlive(claim.pid)) continue;
      if (paths.some((own) => overlaps(own, path))) return { path, pid: claim.pid, command: claim.cmd };
    }
    return undefined;
  }

  /** With this process's claims, and without those of the dead. */
  with(paths: readonly string[]): Claims {
    const mine = Object.fromEntries(paths.map((path) => [path, { pid: process.pid, cmd: COMMAND }]));
    const living = this.#living();
    return new Claims({ ...living, write: { ...living.write, ...mine } });
  }

  without(paths: readonly string[]): Claims {
    const write = Object.entries(this.data.write).filter(
      ([path, { pid }]) => pid !== process.pid || !paths.includes(path),
    );
    return new Claims({ ...this.data, write: Object.fromEntries(write) });
  }

  #living(): ClaimsData {
    const write = Object.entries(this.data.write).filter(([, { pid }]) => isAlive(pid));
    const read = Object.entries(this.data.read)
      .map(([path, claims]) => [path, claims.filter(({ pid }) => isAlive(pid))] as const)
      .filter(([, claims]) => claims.length > 0);
    return { write: Object.fromEntries(write), read: Object.fromEntries(read) };
  }
}

/** Throws DatasetFault `corrupt`. */
export async function readClaims(folder: string): Promise<Claims> {
  const path = join(folder, "rwlock");
  try {
    return new Claims(CLAIMS.parse(JSON.parse(await readFile(path, "utf8"))));
  } catch (cause) {
    if (isMissing(cause)) return new Claims({ write: {}, read: {} });
    throw new DatasetFault("corrupt", `${path} is no list of locks of DVC's.`, {
      field: path,
      mend: "Remove it when no DVC command runs.",
      cause,
    });
  }
}

export async function writeClaims(folder: string, claims: Claims, mode: number): Promise<void> {
  // Whole at any moment: a file that is cut short would stop DVC, too.
  const temp = join(folder, TEMP_PREFIX + randomUUID());
  try {
    await writeFile(temp, JSON.stringify(claims.data), { mode, flag: "wx" });
    await chmod(temp, mode);
    await rename(temp, join(folder, "rwlock"));
  } finally {
    await rm(temp, { force: true });
  }
}

function overlaps(a: string, b: string): boolean {
  return a === b || a.startsWith(b + sep) || b.startsWith(a + sep);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's is alive.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
