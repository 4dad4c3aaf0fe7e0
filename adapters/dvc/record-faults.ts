/** What is wrong with a file that records data, in sentences. */
import type { z } from "zod";
import { DatasetFault } from "../dataset.ts";

/** A value that is as the schema says. Throws DatasetFault `corrupt` that names file and key. */
export function parsed<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = keyOf((issue?.path ?? []).map((part) => (typeof part === "symbol" ? String(part) : part)));
  throw corrupt(
    file,
    `${file}: ${key}`,
    `is no file of DVC's: ${key || "it"} ${issue?.message ?? ""}`,
    result.error,
  );
}

/** A key as it is told: `outs[0].md5`. */
export function keyOf(path: readonly (string | number)[]): string {
  return path
    .map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`))
    .join("")
    .replace(/^\./, "");
}

/** `field`: the file, and the key in it. */
export function corrupt(file: string, field: string, fault: string, cause: unknown): DatasetFault {
  return new DatasetFault("corrupt", `${file} ${fault}.`, {
    field,
    mend: "Restore it from version control, or add the data anew.",
    cause,
  });
}
