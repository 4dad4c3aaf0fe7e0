/** Reads the body of a request as JSON. */
import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { Refusal } from "./refusal.ts";

/** Bytes. */
const MOST_BODY = 2 ** 20;

const Call = z.strictObject({
  session: z.string().min(1).max(100),
  method: z.string().min(1).max(100),
  params: z.unknown(),
});

/** What a page asks. `params` are not checked yet. */
export type Call = z.infer<typeof Call>;

/** Throws a Refusal that names the header or the field at fault. */
export async function readCall(request: IncomingMessage): Promise<Call> {
  const text = await readText(request);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Refusal(400, "The body is no JSON.", { field: "body" });
  }
  const parsed = Call.safeParse(document);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Refusal(400, `The body is no request: ${issue?.message}.`, {
    field: issue?.path.join(".") || "body",
    mend: 'Send {"session": ..., "method": ..., "params": {...}}.',
  });
}

async function readText(request: IncomingMessage): Promise<string> {
  const { headers } = request;
  // A form of another page can send text/plain, but not this.
  if (!/^application\/json(;\s*charset="?utf-8"?)?$/i.test(headers["content-type"] ?? "")) {
    throw new Refusal(415, "The body must be application/json in UTF-8.", { field: "Content-Type" });
  }
  if (headers["content-encoding"] !== undefined) {
    throw new Refusal(415, "The body must not be compressed.", { field: "Content-Encoding" });
  }
  const tooLarge = new Refusal(413, `The body is larger than ${MOST_BODY} bytes.`, { field: "body" });
  if (Number(headers["content-length"] ?? 0) > MOST_BODY) throw tooLarge;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BODY) throw tooLarge;
    chunks.push(chunk);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new Refusal(400, "The body is not UTF-8.", { field: "body" });
  }
}
