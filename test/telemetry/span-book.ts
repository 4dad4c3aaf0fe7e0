import {
  type Attributes,
  type Span,
  type SpanContext,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";

/** A span as it ended. */
export interface EndedSpan {
  readonly name: string;
  readonly context: SpanContext;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  readonly failed: boolean;
}

/** A tracer that keeps what ended. */
export class SpanBook {
  readonly ended: EndedSpan[] = [];
  #spans = 0;

  readonly tracer: Pick<Tracer, "startSpan"> = {
    startSpan: (name, options = {}, context) => {
      const parent = context && trace.getSpanContext(context);
      const spanId = String(++this.#spans).padStart(16, "0");
      const own = { traceId: parent?.traceId ?? spanId.padStart(32, "0"), spanId, traceFlags: 1 };
      const attributes: Attributes = { ...options.attributes };
      let failed = false;
      const span = {
        spanContext: () => own,
        setAttribute: (key: string, value: string) => Object.assign(attributes, { [key]: value }),
        setAttributes: (more: Attributes) => Object.assign(attributes, more),
        setStatus: ({ code }: { code: SpanStatusCode }) => {
          failed = code === SpanStatusCode.ERROR;
        },
        end: () => this.ended.push({ name, context: own, parent, attributes, failed }),
      };
      return span as unknown as Span;
    },
  };
}
