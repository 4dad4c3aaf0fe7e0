import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import type { Histogram, Span } from "@opentelemetry/api";
import { endSpan, type Tracing } from "./tracing.ts";

/** Services that probes ask: many spans that tell nothing. */
const STANDARD = /^\/grpc\./;

/**
 * Measures each call, and makes a span for it. Must be the first interceptor, so that it hears of calls that others refuse. The
 * server calls interceptors for methods that it has only, so that a caller cannot make up labels.
 */
export function callObserver(duration: Histogram, tracing: Tracing | undefined): ServerInterceptor {
  return (method, call) => {
    const begun = performance.now();
    // As the conventions write it: without the slash in front.
    const name = method.path.slice(1);
    let span: Span | undefined;
    let over = false;
    const end = (code: status) => {
      if (over) return;
      over = true;
      const attributes = {
        "rpc.system.name": "grpc",
        "rpc.method": name,
        "rpc.response.status_code": status[code] ?? String(code),
      };
      duration.record((performance.now() - begun) / 1000, attributes);
      if (span === undefined) return;
      span.setAttributes(attributes);
      endSpan(span, isFailure(code) ? attributes["rpc.response.status_code"] : undefined);
    };
    const within = <T>(work: () => T): T =>
      span === undefined || tracing === undefined ? work() : tracing.within(span, work);
    // Handlers of a stream of requests begin with the metadata, the others with the request.
    const begins =
      tracing === undefined || STANDARD.test(method.path)
        ? {}
        : {
            onReceiveMetadata: (metadata: Metadata, pass: (metadata: Metadata) => void) => {
              const caller = metadata.get("traceparent")[0];
              span = tracing.startCall(name, caller === undefined ? undefined : String(caller), {});
              within(() => pass(metadata));
            },
            ...(!method.requestStream && {
              onReceiveMessage: (message: unknown, pass: (message: unknown) => void) =>
                within(() => pass(message)),
              onReceiveHalfClose: (pass: () => void) => within(pass),
            }),
          };
    return new ServerInterceptingCall(call, {
      start: (next) => next({ ...begins, onCancel: () => end(status.CANCELLED) }),
      sendStatus: (sent, pass) => {
        end(sent.code ?? status.UNKNOWN);
        pass(sent);
      },
    });
  };
}

/** Codes that are the server's failure, not the caller's, by the semantic conventions of gRPC. */
function isFailure(code: status): boolean {
  return [
    status.UNKNOWN,
    status.DEADLINE_EXCEEDED,
    status.UNIMPLEMENTED,
    status.INTERNAL,
    status.UNAVAILABLE,
    status.DATA_LOSS,
  ].includes(code);
}
