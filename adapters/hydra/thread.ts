import { Worker } from "node:worker_threads";
import { ConfigFault, type ConfigRun, type ConfigText, type ParsedConfig } from "../config.ts";
import { KeyedMutex } from "../keyed-mutex.ts";
import type { RunTexts } from "./run-texts.ts";
import type { ThreadAnswer, ThreadTask } from "./worker.ts";

/** The worker beside the sources, or the file that the bundler puts beside the bundle. */
const WORKER_URL = import.meta.url.endsWith(".ts")
  ? new URL("./worker.ts", import.meta.url)
  : new URL("./config-worker.mjs", import.meta.url);

/** A text at its limit takes half of this. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 1024 };
const TIMEOUT_MS = 30_000;

/** Parses in a thread of its own. Throws ConfigFault, or what the signal was aborted with. */
export async function parseInThread(config: ConfigText, signal: AbortSignal): Promise<ParsedConfig> {
  return (await inThread({ kind: "parse", config }, signal)) as ParsedConfig;
}

/** Resolves the texts of a run in a thread of its own. Throws ConfigFault, or what the signal was aborted with. */
export async function readInThread(texts: RunTexts, signal: AbortSignal): Promise<ConfigRun> {
  return (await inThread({ kind: "run", texts }, signal)) as ConfigRun;
}

const turns = new KeyedMutex();

/** One thread at a time: what each may use is much. */
function inThread(task: ThreadTask, signal: AbortSignal): Promise<unknown> {
  return turns.run("thread", () => runThread(task, signal));
}

async function runThread(task: ThreadTask, signal: AbortSignal): Promise<unknown> {
  signal.throwIfAborted();
  const worker = new Worker(WORKER_URL, {
    name: "config",
    workerData: task,
    resourceLimits: RESOURCE_LIMITS,
  });
  try {
    const answer = await answerOf(worker, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    if ("value" in answer) return answer.value;
    const { kind, message, field, mend } = answer.fault;
    throw new ConfigFault(kind, message, field, mend);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ConfigFault) throw error;
    const what = "The config takes too long or too much memory to read.";
    const isText = task.kind === "parse";
    throw new ConfigFault(
      isText ? "argument" : "config",
      what,
      isText ? "text" : task.texts.folder,
      "Make it smaller.",
      error,
    );
  } finally {
    await worker.terminate();
  }
}

function answerOf(worker: Worker, signal: AbortSignal): Promise<ThreadAnswer> {
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("The thread ended without an answer.")));
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
