import { type Metadata, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import { statusOf } from "./calls.ts";

/**
 * Lets nobody pass who does not send the token as `authorization: Bearer TOKEN`; not even health is answered. Must be the
 * first interceptor, so that nothing else hears of a call that is refused.
 */
export function tokenInterceptor(isToken: (text: string) => boolean): ServerInterceptor {
  return (_method, call) => {
    let known = false;
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            const fault = faultOf(metadata, isToken);
            known = fault === undefined;
            if (fault === undefined) pass(metadata);
            else call.sendStatus(statusOf(fault));
          },
          onReceiveMessage: (message, pass) => known && pass(message),
          onReceiveHalfClose: (pass) => known && pass(),
        });
      },
    });
  };
}

function faultOf(metadata: Metadata, isToken: (text: string) => boolean): PipekitError | undefined {
  const sent = metadata.get("authorization");
  const token = /^Bearer +(\S+)$/i.exec(sent.length === 1 ? String(sent[0]) : "")?.[1];
  if (token !== undefined && isToken(token)) return undefined;
  const what = token === undefined ? "Calls over TCP need a token." : "The token is not the daemon's.";
  return new PipekitError("UNAUTHENTICATED", what, {
    field: "authorization",
    mend: "Set PKX_TOKEN_FILE to a file with the daemon's token (its setting token_file).",
  });
}
