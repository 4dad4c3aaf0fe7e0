import { readFileSync } from "node:fs";
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { Reference } from "../http/index.ts";
import type { StreamContext } from "../stream.ts";
import type { NatsSpec } from "./spec.ts";

const RECONNECT_MS = 500;

/**
 * A connection that is made again for ever when it breaks; secrets are read anew each time. Rejects where it cannot be made
 * at first, so that the reason can be told.
 */
export function connectTo(spec: NatsSpec, { env }: StreamContext): Promise<NatsConnection> {
  const { server, tls, ca } = spec;
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

function authenticatorOf(
  { creds, token, user, password }: NatsSpec,
  env: StreamContext["env"],
): Authenticator | undefined {
  if (creds !== undefined) return (nonce) => credsAuthenticator(bytesOf(creds))(nonce);
  if (token !== undefined) return tokenAuthenticator(() => secretOf(token, env));
  if (user === undefined) return undefined;
  return usernamePasswordAuthenticator(user, () => (password === undefined ? "" : secretOf(password, env)));
}

/** The authenticators are asked in the midst of a handshake and cannot wait. A secret that is not there is refused. */
function secretOf(reference: Reference, env: StreamContext["env"]): string {
  if (reference.from === "env") return env[reference.name] ?? "";
  return Buffer.from(bytesOf(reference.path))
    .toString()
    .replace(/\r?\n$/, "");
}

function bytesOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch {
    return new Uint8Array();
  }
}
