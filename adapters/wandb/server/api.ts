/** W&B's interface: GraphQL, the stream of a run's files, and uploads to signed addresses. */

import {
  type Answer,
  exchange,
  type FileSlice,
  looksLikeHtml,
  PERSON_MS,
  type Renewed,
  scrub,
  stranger,
  type Tool,
} from "@pipekit/adapters/http";
import { z } from "zod";
import { parseJson } from "../../json.ts";
import { type Fault, graphqlFault, type Result, readFault } from "./faults.ts";

/** A GraphQL operation: its text, and the shape of its `data`. */
export interface Operation<T> {
  readonly text: string;
  readonly data: z.ZodType<T>;
}

/** Part of a file of the stream: lines, from a line number on. */
export interface StreamPart {
  readonly offset: number;
  readonly content: readonly string[];
}

/** A request of the stream; an empty one says that the run is alive. */
export interface StreamRequest {
  readonly files?: Readonly<Record<string, StreamPart>>;
  readonly uploaded?: readonly string[];
  readonly complete?: true;
  readonly exitcode?: number;
}

/** W&B's own client waits so long for the stream. */
const STREAM_TIMEOUT_MS = 180_000;
const CALL_TIMEOUT_MS = 60_000;
/** How long an upload may stand still. */
const UPLOAD_TIMEOUT_MS = 120_000;

const StreamAnswer = z.looseObject({ stopped: z.unknown().optional() });

/** One server with one key. */
export class WandbApi {
  readonly tool: Tool;
  readonly #key: Renewed;

  constructor(url: string, key: Renewed) {
    this.tool = { name: "W&B", url };
    this.#key = key;
  }

  async graphql<T>(
    operation: Operation<T>,
    variables: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): Promise<Result<T>> {
    const body = JSON.stringify({ query: operation.text, variables });
    const reply = await this.#post("/graphql", body, CALL_TIMEOUT_MS, signal);
    if (!reply.ok) return reply;
    const { answer, secrets, json } = reply.value;
    const checked = z.looseObject({ data: operation.data }).safeParse(json);
    if (checked.success) return { ok: true, value: checked.data.data };
    const fault = graphqlFault(json);
    if (fault !== undefined) return failed({ ...fault, reason: scrub(fault.reason, secrets) });
    return failed({ kind: "transient", reason: `${stranger(answer, this.tool)}.`, afterMs: PERSON_MS });
  }

  /** POST to the stream of a run; true when somebody has asked for the run to stop. */
  async stream(path: string, request: StreamRequest, signal: AbortSignal): Promise<Result<boolean>> {
    const reply = await this.#post(path, JSON.stringify(request), STREAM_TIMEOUT_MS, signal);
    if (!reply.ok) return reply;
    const body = StreamAnswer.safeParse(reply.value.json).data;
    if (body === undefined) {
      const reason = `${stranger(reply.value.answer, this.tool)}.`;
      return failed({ kind: "transient", reason, afterMs: PERSON_MS });
    }
    return { ok: true, value: body.stopped === true };
  }

  /** PUT to an address that the server has signed, without our key; gives the ETag. */
  async put(
    address: string,
    headers: Readonly<Record<string, string>>,
    body: string | FileSlice,
    signal: AbortSignal,
  ): Promise<Result<string>> {
    const url = URL.parse(address, this.tool.url);
    if (url === null || !/^https?:$/.test(url.protocol)) {
      return failed({ kind: "transient", reason: "W&B names an address for uploads that is none." });
    }
    const reply = await exchange(
      {
        method: "PUT",
        url: url.href,
        headers: { "user-agent": "pipekit-experiment", ...headers },
        body,
        timeoutMs: UPLOAD_TIMEOUT_MS,
        repeatable: true,
      },
      signal,
    );
    const store = `The store of W&B at ${url.host}`;
    if (reply.kind === "silence") return failed({ kind: "transient", reason: `${store} ${reply.why}.` });
    if (reply.status >= 200 && reply.status < 300 && !looksLikeHtml(reply.text)) {
      return { ok: true, value: reply.headers.etag ?? "" };
    }
    const kind = reply.status === 413 ? "tooLarge" : "transient";
    return failed({ kind, reason: `${store} answers ${reply.status}.` });
  }

  async #post(
    path: string,
    body: string,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Result<{ answer: Answer; json: unknown; secrets: readonly string[] }>> {
    const auth = await this.#key.authorization();
    if (!auth.found) return failed({ kind: "transient", reason: auth.reason, afterMs: PERSON_MS });
    const headers: Record<string, string> = {
      accept: "application/json",
      "content-type": "application/json",
      "user-agent": "pipekit-experiment",
    };
    if (auth.header !== undefined) headers["authorization"] = auth.header;
    // Every call of ours may be carried out twice: runs and artifacts have ids of ours, lines have numbers.
    const url = `${this.tool.url}${path}`;
    const reply = await exchange({ method: "POST", url, headers, body, timeoutMs, repeatable: true }, signal);
    if (reply.kind === "silence") {
      return failed({ kind: "transient", reason: `W&B at ${new URL(url).host} ${reply.why}.` });
    }
    if (reply.status === 401 || reply.status === 403) this.#key.forget();
    // Before the text is cut, which might leave half a secret, and after JSON has undone its escapes.
    const text = scrub(reply.text, auth.secrets);
    const answer = { ...reply, text };
    if (reply.status >= 200 && reply.status < 300) {
      return { ok: true, value: { answer, json: parseJson(reply.text), secrets: auth.secrets } };
    }
    const fault = readFault(answer, parseJson(text), this.tool);
    return failed({ ...fault, reason: scrub(fault.reason, auth.secrets) });
  }
}

function failed(fault: Fault): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault };
}
