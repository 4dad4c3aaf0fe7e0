/** The shape of a JSON-RPC message, before anything believes it. */

import type { Message } from "vscode-jsonrpc/node";
import { z } from "zod";

const id = z.union([z.string(), z.number()]);
/** Some clients write `null` where there are none. */
const params = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .nullish()
  .transform((it) => it ?? undefined);

const request = z.looseObject({ id, method: z.string(), params });
const notification = z.looseObject({ id: z.undefined().optional(), method: z.string(), params });
const cancellation = z.looseObject({ method: z.literal("$/cancelRequest"), params: z.looseObject({ id }) });
const error = z.looseObject({ code: z.number(), message: z.string() });
const response = z
  .looseObject({ id, result: z.unknown().optional(), error: error.nullish() })
  .refine((it) => it.result !== undefined || it.error);

/** A message that can be believed; or why not, and the id to answer by, `null` where there is none. */
export type Checked =
  | { readonly message: Message }
  | { readonly reason: string; readonly id: string | number | null };

/** Checks what stood in a frame. */
export function checkMessage(value: unknown): Checked {
  if (Array.isArray(value)) return { reason: "Batches are not part of the protocol.", id: null };
  const kind = z.looseObject({}).safeParse(value).data;
  if (kind === undefined) return { reason: "A message is not a JSON object.", id: null };
  const read =
    typeof kind["method"] !== "string"
      ? response.safeParse(kind)
      : "id" in kind
        ? request.safeParse(kind)
        : (kind["method"] === "$/cancelRequest" ? cancellation : notification).safeParse(kind);
  if (read.success) return { message: { jsonrpc: "2.0", ...read.data } };
  const where = read.error.issues[0]?.path.join(".") || "message";
  return {
    reason: `The ${where} of a message is not as JSON-RPC has it.`,
    id: id.safeParse(kind["id"]).data ?? null,
  };
}
