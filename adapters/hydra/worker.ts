/** Entry of a thread that reads one config, for texts that would keep the daemon from its other work. */
import { parentPort, workerData } from "node:worker_threads";
import { ConfigFault, type ConfigFaultKind, type ConfigText } from "../config.ts";
import { parseConfig } from "./parsing.ts";
import { type RunTexts, readRunTexts } from "./run-texts.ts";

/** What the thread is asked. */
export type ThreadTask =
  | { readonly kind: "parse"; readonly config: ConfigText }
  | { readonly kind: "run"; readonly texts: RunTexts };

/** What it answers: a ConfigFault does not pass between threads. */
export type ThreadAnswer =
  | { readonly value: unknown }
  | {
      readonly fault: {
        readonly kind: ConfigFaultKind;
        readonly message: string;
        readonly field: string;
        readonly mend: string;
      };
    };

parentPort?.postMessage(answerTo(workerData as ThreadTask));

function answerTo(task: ThreadTask): ThreadAnswer {
  try {
    return { value: task.kind === "parse" ? parseConfig(task.config) : readRunTexts(task.texts) };
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    const { kind, message, field, mend } = error;
    return { fault: { kind, message, field, mend } };
  }
}
