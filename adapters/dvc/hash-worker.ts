/** A worker thread that hashes files: batches of jobs in, batches of results out. */
import { parentPort } from "node:worker_threads";
import { attempt, type DigestJob, type JobResult } from "./digest-file.ts";

/** Progress within a batch is told after so many bytes. */
const TOLD_BYTES = 32 * 1024 * 1024;

/** What a worker says. `bytes` read since it last said something. */
export type WorkerWord = { readonly bytes: number; readonly results?: readonly JobResult[] };

parentPort?.on("message", (jobs: readonly DigestJob[]) => {
  let bytes = 0;
  const onBytes = (length: number): void => {
    bytes += length;
    if (bytes < TOLD_BYTES) return;
    say({ bytes });
    bytes = 0;
  };
  // What another thread reads for its MD5 is counted there.
  const results = jobs.map((job) => attempt(job, job.md5 === "none" ? undefined : onBytes));
  say({ bytes, results });
});

function say(word: WorkerWord): void {
  parentPort?.postMessage(word);
}
