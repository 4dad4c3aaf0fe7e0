/**
 * Hashes many files at once in worker threads. MD5 is slow and bound to one core for each file, so a large file's SHA-256
 * is computed beside it by another thread.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { runWorkers } from "../workers.ts";
import { attempt, type DigestJob, type FileDigest, isSameStamp, type JobResult } from "./digest-file.ts";
import type { WorkerWord } from "./hash-worker.ts";
import { unreadable } from "./unreadable.ts";

/** The worker beside the sources, or the file that the bundler puts beside the bundle. */
const WORKER_URL = import.meta.url.endsWith(".ts")
  ? new URL("./hash-worker.ts", import.meta.url)
  : new URL("./dvc-hash-worker.mjs", import.meta.url);

const MOST_WORKERS = 8;
/** Below this a thread costs more than it saves; the main one must not be held up for longer than for that. */
const INLINE_BYTES = 512 * 1024;
const INLINE_FILES = 16;
/** From this size on the two hashes of a file are computed apart. */
const SPLIT_BYTES = 32 * 1024 * 1024;
/** A batch is sent when it has so much. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 128;

/** A file to hash. `size` in bytes, for the planning. */
export interface HashJob extends DigestJob {
  readonly size: number;
}

/** A part of a job: its number, and what a thread is to do. */
interface Task {
  readonly index: number;
  readonly job: DigestJob;
  readonly size: number;
}

/**
 * The digests, in the order of the jobs. `onBytes` is told what was read of them; `onFile` of each that is done. Throws
 * DatasetFault `unreadable`, and what the signal was aborted with.
 */
export async function hashFiles(
  jobs: readonly HashJob[],
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
  onFile?: (index: number, digest: FileDigest) => void,
): Promise<readonly FileDigest[]> {
  const total = jobs.reduce((sum, { size }) => sum + size, 0);
  const results = new Results(jobs, onFile);
  if (total <= INLINE_BYTES && jobs.length <= INLINE_FILES) {
    for (const [index, job] of jobs.entries()) {
      signal.throwIfAborted();
      results.take({ index, job, size: job.size }, attempt(job));
      onBytes(job.size);
    }
    return results.all();
  }
  const batches = batchesOf(tasksOf(jobs));
  const count = Math.min(availableParallelism(), MOST_WORKERS, batches.length);
  const take = (task: Task, result: JobResult): void => results.take(task, result);
  await runWorkers(count, (stop) => drain(batches, stop, onBytes, take), signal);
  return results.all();
}

/** One thread that works until no batch is left. */
async function drain(
  batches: (readonly Task[])[],
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
  take: (task: Task, result: JobResult) => void,
): Promise<void> {
  signal.throwIfAborted();
  const worker = new Worker(WORKER_URL, { name: "dataset hashes" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  let batch: readonly Task[] | undefined;
  const next = (): void => {
    batch = batches.shift();
    if (batch === undefined) resolve();
    else worker.postMessage(batch.map(({ job }) => job));
  };
  worker.on("error", reject);
  worker.on("message", ({ bytes, results }: WorkerWord) => {
    try {
      if (bytes > 0) onBytes(bytes);
      if (results === undefined) return;
      for (const [index, task] of (batch ?? []).entries()) {
        const result = results[index];
        if (result !== undefined) take(task, result);
      }
      next();
    } catch (error) {
      reject(error);
    }
  });
  try {
    next();
    await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    await worker.terminate();
  }
}

function tasksOf(jobs: readonly HashJob[]): Task[] {
  return jobs.flatMap((job, index): Task[] => {
    if (job.size < SPLIT_BYTES || job.md5 === "none" || !job.sha256) return [{ index, job, size: job.size }];
    const beside: DigestJob = { path: job.path, md5: "none", sha256: true };
    return [
      { index, job: { ...job, sha256: false }, size: job.size },
      { index, job: beside, size: job.size },
    ];
  });
}

/** The largest first, so that no thread is left with one at the end. */
function batchesOf(tasks: readonly Task[]): (readonly Task[])[] {
  const batches: (readonly Task[])[] = [];
  let batch: Task[] = [];
  let bytes = 0;
  for (const task of tasks.toSorted((a, b) => b.size - a.size)) {
    if (batch.length > 0 && (bytes + task.size > BATCH_BYTES || batch.length >= BATCH_FILES)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(task);
    bytes += task.size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

/** Joins what threads found of the same file. */
class Results {
  readonly #jobs: readonly HashJob[];
  readonly #onFile: ((index: number, digest: FileDigest) => void) | undefined;
  readonly #digests: (FileDigest | undefined)[];
  readonly #halves = new Map<number, FileDigest>();

  constructor(jobs: readonly HashJob[], onFile?: (index: number, digest: FileDigest) => void) {
    this.#jobs = jobs;
    this.#onFile = onFile;
    this.#digests = new Array(jobs.length);
  }

  take({ index, job }: Task, result: JobResult): void {
    if ("failure" in result) throw unreadable(job.path, result.failure.code);
    const { digest } = result;
    const wanted = this.#jobs[index];
    const isHalf = wanted?.sha256 === true && wanted.md5 !== "none" && !(job.sha256 && job.md5 !== "none");
    const other = this.#halves.get(index);
    if (isHalf && other === undefined) {
      this.#halves.set(index, digest);
      return;
    }
    if (other !== undefined && !isSameStamp(other.stamp, digest.stamp))
      throw unreadable(job.path, "FileMoves");
    const whole = {
      md5: digest.md5 || (other?.md5 ?? ""),
      sha256: digest.sha256 || (other?.sha256 ?? ""),
      stamp: digest.stamp,
    };
    this.#digests[index] = whole;
    this.#onFile?.(index, whole);
  }

  all(): readonly FileDigest[] {
    return this.#digests.filter((digest) => digest !== undefined);
  }
}
