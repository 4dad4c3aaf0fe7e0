import { isValidSpanId, isValidTraceId, type SpanContext } from "@opentelemetry/api";

/** `traceparent` of W3C Trace Context, level 1: version, trace id, parent id, flags. https://www.w3.org/TR/trace-context/ */
const FORM = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** The span that a caller's `traceparent` names; undefined when it is not of the form. */
export function readTraceparent(text: string): SpanContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = FORM.exec(text) ?? [];
  // Only a later version may have more fields; ff is no version.
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (!isValidTraceId(traceId) || !isValidSpanId(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}
