/** The `meta.yaml` of an experiment or run. */
import { readFile } from "node:fs/promises";
import { sourceFault } from "@pipekit/adapters/history";
import { parse } from "yaml";
import { z } from "zod";
import { isMissing } from "../../file-faults.ts";

const STATUSES = ["RUNNING", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"];

const Text = z.union([z.string(), z.number()]).transform(String);
export const ExperimentMeta = z.object({
  name: Text,
  experiment_id: Text,
  lifecycle_stage: z.string().default("active"),
});
export const RunMeta = z.object({
  run_id: Text.optional(),
  run_uuid: Text.optional(),
  run_name: Text.nullish().transform((name) => name ?? ""),
  /** Number of the enum; absent in a run that was not told to have ended. */
  status: z
    .union([z.number(), z.string()])
    .default("RUNNING")
    .transform((status) => (typeof status === "number" ? (STATUSES[status] ?? "RUNNING") : status)),
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
  lifecycle_stage: z.string().default("active"),
});

/** Undefined where there is no such file; null when it is no YAML. */
export async function yamlOf(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw sourceFault(error, file);
  }
  try {
    return parse(text, { logLevel: "error" });
  } catch {
    // Errors of its own for bad syntax; others for aliases of aliases, and for what is nested too deep.
    return null;
  }
}
