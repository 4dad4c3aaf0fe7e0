/** A worker thread that hashes files: batches of jobs in, batches of results out. */
import { parentPort } from "node:worker_threads";
import { type DigestJob, digestFile, type FileDigest } from "./digest-file.ts";

/** Progress within a batch is told after so many bytes. */
const TOLD_BYTES = 32 * 1024 * 1024;

/** What became of a job; a failure by the system's code. */
export type JobResult =
  | { readonly digest: FileDigest }
  | { readonly failure: { readonly code: string; readonly message: string } };

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
  const results = jobs.map((job): JobResult => {
    try {
      // What another thread reads for its MD5 is counted there.
      return { digest: job.md5 === "none" ? digestFile(job) : digestFile(job, onBytes) };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      const name = error instanceof Error ? error.name : "";
      return { failure: { code: code || name, message: String(error) } };
    }
  });
  say({ bytes, results });
});

function say(word: WorkerWord): void {
  parentPort?.postMessage(word);
}
