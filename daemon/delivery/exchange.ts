import type {
  OpenResult,
  PermanentResult,
  RetryResult,
  SendResult,
  SinkCount,
} from "@pipekit/adapters/tracker";

/** What a call to an adapter is for. */
export type JobName = "open" | "send" | "finish" | "count";

/** What the tool counted; no count when it cannot tell. */
export interface Counted {
  readonly status: "ok";
  readonly count: SinkCount | undefined;
}

/** Any answer of an adapter. */
export type Answer = OpenResult | SendResult | Counted;

/** A call that must be made again, and why: the tool's word, silence, a defect of the adapter, or the breaker. */
export interface Setback extends RetryResult {
  readonly cause: "tool" | "timeout" | "throw" | "breaker";
}

/** One call to an adapter, made when its turn has come. Rejects only on abort or when the journal fails. */
export interface Job<R extends Answer> {
  readonly name: JobName;
  /** Whose call it is: the run id. */
  readonly owner: string;
  run(signal: AbortSignal): Promise<R | Setback>;
  /** Called when the call cannot be made at once: frees what can be read again. */
  wait?(): void;
}

/** What became of a job. */
export type Outcome<R extends Answer> = R | Setback | PermanentResult;

/** What stands between a sink and its adapter: each decorator adds one habit and passes the call on. */
export interface Caller {
  call<R extends Answer>(job: Job<R>, signal: AbortSignal): Promise<Outcome<R>>;
}

/** The setback in an answer: all of it, or of what is left when the tool took a part only. */
export function setbackOf(answer: Answer | Setback): Setback | undefined {
  if (answer.status === "retry") return { cause: "tool", ...answer };
  return answer.status === "partial" && answer.rest.status === "retry"
    ? { cause: "tool", ...answer.rest }
    : undefined;
}
