/** JSON that people give on the command line. */
import { readFile } from "node:fs/promises";
import { PipekitError } from "@pipekit/experiment";

/** Throws INVALID_ARGUMENT. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new PipekitError("INVALID_ARGUMENT", `The file ${file} cannot be read.`, {
      field: file,
      mend: "Give the path of a readable file.",
      cause,
    });
  }
}

/** `field` says in errors where the text is from. Throws INVALID_CONFIG. */
export function jsonObject(text: string, field: string): { readonly [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PipekitError("INVALID_CONFIG", `${field} is not JSON.`, {
      field,
      mend: "Give a JSON object.",
      cause,
    });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new PipekitError("INVALID_CONFIG", `${field} is not a JSON object.`, {
    field,
    mend: "Give a JSON object.",
  });
}
