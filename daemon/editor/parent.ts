/** Whether the editor that started this process still lives: one that was killed closes nothing. */
import { answersSignals } from "../lifecycle/processes.ts";

const LOOK_MS = 2000;

/**
 * Calls `gone` once no process has the id any more; stops looking when the returned function is called. An id that nobody
 * has to begin with is one of another machine or container, and tells nothing.
 */
export function watchParent(pid: number, gone: () => void): () => void {
  if (!answersSignals(pid)) return () => {};
  const timer = setInterval(() => {
    if (answersSignals(pid)) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
