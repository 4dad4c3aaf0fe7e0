/**
 * A copy of the bundle for whoever runs long. `pip install --upgrade` takes the installed files away, or puts those of another
 * version in their place, while a daemon runs that has not loaded all of its own yet: commands that come late, threads
 * that start again. So it runs from a copy in the user's cache, of which each version has one.
 */
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { answersSignals } from "../lifecycle/processes.ts";
import { PROGRAM_FILE, type Program } from "./content.ts";
import { ensureOwn, programFolders, replaceFile } from "./folders.ts";

/** Whoever uses a copy leaves a file here, named by host and process. */
const USERS = "users";
const DAY_MS = 86_400_000;
/** How long a copy is kept that nobody uses, and one whose users are on hosts that cannot be asked. */
const IDLE_MS = DAY_MS;
const FAR_MS = 90 * DAY_MS;

/**
 * The folder of a copy of the bundle in `from`, made unless it is there; undefined when `from` is one already, or none can be
 * made: then the installed files must do.
 */
export function keepProgram(from: string): string | undefined {
  const folders = programFolders();
  if (folders.some((base) => isSame(base, dirname(from)))) return undefined;
  for (const base of folders) {
    try {
      const { digest, sizes }: Program = JSON.parse(readFileSync(join(from, PROGRAM_FILE), "utf8"));
      const place = join(base, digest);
      ensureOwn(base);
      mkdirSync(join(place, USERS), { recursive: true, mode: 0o700 });
      writeFileSync(join(place, USERS, `${hostname()}.${process.pid}`), "");
      const missing = Object.keys(sizes).filter((file) => sizeOf(join(place, file)) !== sizes[file]);
      if (missing.length > 0) {
        for (const file of [...missing, PROGRAM_FILE])
          replaceFile(join(place, file), (fresh) => copyFileSync(join(from, file), fresh));
        removeUnused(base, digest);
      }
      return place;
    } catch {
      // The next folder, or none: a program without a copy is better than none.
    }
  }
  return undefined;
}

function isSame(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

/** Removes copies of other versions that nobody has used for a while. What the single executable unpacked has no users' folder. */
function removeUnused(base: string, digest: string): void {
  for (const name of readdirSync(base)) {
    const users = join(base, name, USERS);
    if (name === digest || statSync(users, { throwIfNoEntry: false }) === undefined) continue;
    const used = readdirSync(users).some((user) => isUsing(user, join(users, user)));
    if (!used && ageMs(users) > IDLE_MS) rmSync(join(base, name), { recursive: true, force: true });
  }
}

function isUsing(user: string, file: string): boolean {
  const dot = user.lastIndexOf(".");
  if (user.slice(0, dot) !== hostname()) return ageMs(file) < FAR_MS;
  return answersSignals(Number(user.slice(dot + 1)));
}

function ageMs(path: string): number {
  return Date.now() - statSync(path).mtimeMs;
}
