/** Watching one file that is replaced by rename: the folder is watched, and polled for what the kernel cannot tell. */
import { chmodSync, type FSWatcher, mkdirSync, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** Network file systems tell nothing of other hosts' writes: a slow poll goes on beside the watch. */
const POLL_BESIDE_WATCH_MS = 2000;
const POLL_ALONE_MS = 200;

/** Calls `changed` when the file may have changed; returns the stop function. A folder that is not there is made with `mode`. */
export function watchFile(path: string, mode: number, changed: () => void): () => void {
  let stopped = false;
  let watcher: FSWatcher | undefined;
  let poll: NodeJS.Timeout | undefined;
  let seen: string | undefined;

  const look = async (): Promise<void> => {
    const now = await identity(path);
    if (!stopped && seen !== undefined && now !== seen) changed();
    seen = now;
  };
  const pollEvery = (ms: number): void => {
    clearInterval(poll);
    poll = setInterval(() => void look(), ms).unref();
  };
  const pollAlone = (): void => {
    watcher?.close();
    watcher = undefined;
    if (!stopped) pollEvery(POLL_ALONE_MS);
  };

  void look();
  try {
    if (mkdirSync(dirname(path), { recursive: true }) !== undefined) chmodSync(dirname(path), mode);
    watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(path)) changed();
    });
    watcher.on("error", pollAlone);
    pollEvery(POLL_BESIDE_WATCH_MS);
  } catch {
    pollAlone();
  }
  return () => {
    stopped = true;
    watcher?.close();
    clearInterval(poll);
  };
}

async function identity(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return "absent";
  }
}
