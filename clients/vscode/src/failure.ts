/** What a refused request says to a person. */
import type { EditorFailure } from "@pipekit/proto/editor";
import { z } from "zod";

const FAILURE = z.object({
  code: z.string(),
  message: z.string(),
  field: z.string().default(""),
  mend: z.string().default(""),
});

/** The failure within whatever was thrown: the `data` of a JSON-RPC error, where it has one. */
export function failureOf(thrown: unknown): EditorFailure {
  const data = typeof thrown === "object" && thrown !== null && "data" in thrown ? thrown.data : undefined;
  const read = FAILURE.safeParse(data);
  // The code comes from the language server of this very extension; a newer one may know more of them.
  if (read.success) return read.data as EditorFailure;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "INTERNAL", message, field: "", mend: "" };
}

/** One or two sentences: what went wrong, and what to do. */
export function sentences({ message, mend }: { readonly message: string; readonly mend: string }): string {
  return [message, mend].filter((text) => text !== "").join(" ");
}
