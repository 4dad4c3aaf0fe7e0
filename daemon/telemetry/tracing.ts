import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { readTraceparent } from "./traceparent.ts";

/** Spans of what the daemon does. What is begun while a span is current becomes its child. */
export class Tracing {
  readonly #tracer: Pick<Tracer, "startSpan">;
  readonly #current = new AsyncLocalStorage<Context>();

  constructor(tracer: Pick<Tracer, "startSpan">) {
    this.#tracer = tracer;
  }

  /** A span for a call; the caller's own span, named by `traceparent`, is its parent. */
  startCall(name: string, traceparent: string | undefined, attributes: Attributes): Span {
    const caller = traceparent === undefined ? undefined : readTraceparent(traceparent);
    const parent = caller === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, caller);
    return this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  }

  /** A span for a piece of work, below what is current. */
  start(name: string, kind: SpanKind, attributes: Attributes): Span {
    return this.#tracer.startSpan(name, { kind, attributes }, this.#current.getStore() ?? ROOT_CONTEXT);
  }

  /** Does something while `span` is current. */
  within<T>(span: Span, work: () => T): T {
    return this.#current.run(trace.setSpan(ROOT_CONTEXT, span), work);
  }
}

/** Ends a span; with a failure's name when it failed. */
export function endSpan(span: Span, failure?: string): void {
  if (failure !== undefined) {
    span.setAttribute("error.type", failure);
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
