/**
 * Messages that do not decode are the caller's fault: grpc-js would end their calls as INTERNAL, without a typed failure,
 * and past the interceptors that count what is refused.
 */
import { ServerInterceptingCall, type ServerInterceptor, type ServiceDefinition } from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import { statusOf } from "./calls.ts";

/** What stands in the place of a message until the interceptor sees it. */
class Undecodable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** The same service; what does not decode comes to `undecodableInterceptor`. */
export function decodingLate(definition: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer): unknown => {
      try {
        return method.requestDeserialize(bytes);
      } catch (cause) {
        return new Undecodable(cause);
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods);
}

/** Ends calls with INVALID_ARGUMENT whose message does not decode; whatever looks at messages stands behind it. */
export const undecodableInterceptor: ServerInterceptor = (method, call) => {
  let over = false;
  return new ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMessage: (message: unknown, pass) => {
          if (over) return;
          if (!(message instanceof Undecodable)) {
            pass(message);
            return;
          }
          over = true;
          call.sendStatus(statusOf(undecodable(method.path, message.cause)));
        },
        onReceiveHalfClose: (pass) => over || pass(),
      });
    },
  });
};

function undecodable(path: string, cause: unknown): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `A message of ${path} does not decode.`, {
    mend: "Update the client, or look at what changes its messages on the way.",
    cause,
  });
}
