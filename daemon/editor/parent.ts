/** Whether the editor that started this process still lives: one that was killed closes nothing. */

const LOOK_MS = 2000;

/**
 * Calls `gone` once no process has the id any more; stops looking when the returned function is called. An id that nobody
 * has to begin with is one of another machine or container, and tells nothing.
 */
export function watchParent(pid: number, gone: () => void): () => void {
  if (!isAlive(pid)) return () => {};
  const timer = setInterval(() => {
    if (isAlive(pid)) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user: it lives.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
