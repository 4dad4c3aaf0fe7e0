import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { missingReference, type Reference, resolveReferenceNow, secretBytes } from "../secret.ts";
import type { StreamContext } from "../stream.ts";
import type { NatsSpec } from "./spec.ts";

const RECONNECT_MS = 500;

/**
 * A connection that is made again for ever when it breaks; secrets are read anew each time. Rejects where it cannot be made
 * at first, so that the reason can be told.
 */
export async function connectTo(spec: NatsSpec, { env }: StreamContext): Promise<NatsConnection> {
  const { server, tls, ca } = spec;
  // Told here: the server would only say that it refuses.
  for (const reference of secretsOf(spec)) {
    if (resolveReferenceNow(reference, env) === undefined)
      throw new Error(missingReference(reference).replace(/\.$/, ""));
  }
  const authenticator = authenticatorOf(spec, env);
  // Of a server that is named by its address, the library says no name: the certificate would be compared with `localhost`.
  const secured = {
    host: server.replace(/:\d+$/, "").replace(/^\[|\]$/g, ""),
    ...(ca !== undefined && { caFile: ca }),
  };
  return connect({
    servers: server,
    name: "pipekit-experiment",
    tls: tls ? secured : null,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    // A secret that is refused may be right tomorrow: the frames wait.
    ignoreAuthErrorAbort: true,
    ...(authenticator && { authenticator }),
  });
}

function secretsOf({ creds, token, password }: NatsSpec): Reference[] {
  const file: Reference[] = creds === undefined ? [] : [{ from: "file", path: creds }];
  return [...file, ...[token, password].filter((reference) => reference !== undefined)];
}

/** Authenticators are asked in the midst of a handshake and cannot wait. A secret that is not there any more is refused. */
function authenticatorOf(
  { creds, token, user, password }: NatsSpec,
  env: StreamContext["env"],
): Authenticator | undefined {
  const secretOf = (reference: Reference) => resolveReferenceNow(reference, env) ?? "";
  if (creds !== undefined)
    return (nonce) => credsAuthenticator(secretBytes(creds) ?? new Uint8Array())(nonce);
  if (token !== undefined) return tokenAuthenticator(() => secretOf(token));
  if (user === undefined) return undefined;
  return usernamePasswordAuthenticator(user, () => (password === undefined ? "" : secretOf(password)));
}
