import { parseReference, type Reference } from "../secret.ts";
import { readQuery } from "../spec-query.ts";
import { SpecError } from "../tracker.ts";

/** A stream of NATS JetStream, as a spec names it. */
export interface NatsSpec {
  /** `host:port`. */
  readonly server: string;
  readonly tls: boolean;
  readonly stream: string;
  /** File with the certificate of who signed the server's, PEM. */
  readonly ca: string | undefined;
  /** File with a user's JWT and seed, as `nsc` and `nats` write it. */
  readonly creds: string | undefined;
  readonly token: Reference | undefined;
  readonly user: string | undefined;
  readonly password: Reference | undefined;
  /** Name of the durable consumer. */
  readonly consumer: string;
  /** Most gigabytes that a stream which is made may hold; 0 for no limit. */
  readonly maxGb: number;
}

const MEND =
  "Write nats://HOST:PORT/STREAM or nats+tls://HOST:PORT/STREAM, with ?creds=file:/path, ?token=env:NAME, or ?user=NAME&password=env:NAME.";
const KNOWN = ["ca", "creds", "token", "user", "password", "consumer", "max_gb"];
const LOCAL: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);
const DEFAULT_PORT = "4222";

/** Throws SpecError. */
export function parseNatsSpec(spec: string): NatsSpec {
  const url = URL.canParse(spec) ? new URL(spec) : undefined;
  if (url === undefined || !/^nats(?:\+tls)?:$/.test(url.protocol) || url.hostname === "")
    throw new SpecError("The spec of the stream is no address of a NATS server.", MEND);
  if (url.username !== "" || url.password !== "" || url.hash !== "")
    throw new SpecError("The spec of the stream holds a name or password.", MEND);
  const stream = /^\/([A-Za-z0-9_-]{1,100})\/?$/.exec(url.pathname)?.[1];
  if (stream === undefined)
    throw new SpecError("The spec names no stream of letters, digits, - and _.", MEND);
  const values = readQuery("NATS", url.searchParams, KNOWN, MEND);
  const tls = url.protocol === "nats+tls:";
  const secret = (key: string) => reference(key, values.get(key));
  const parsed = {
    server: `${url.hostname}:${url.port || DEFAULT_PORT}`,
    tls,
    stream,
    ca: path("ca", values.get("ca")),
    creds: path("creds", values.get("creds")),
    token: secret("token"),
    user: values.get("user"),
    password: secret("password"),
    consumer: values.get("consumer") ?? "pkx",
    maxGb: Number(values.get("max_gb") ?? 0),
  };
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(parsed.consumer) || !(parsed.maxGb >= 0))
    throw new SpecError("The spec's `consumer` is no plain name, or its `max_gb` no number.", MEND);
  const inClear = parsed.token !== undefined || parsed.password !== undefined;
  if (inClear && !tls && !LOCAL.has(url.hostname))
    throw new SpecError(
      "A token or password would travel in the clear.",
      "Write nats+tls://, or use ?creds=file:/path.",
    );
  return parsed;
}

/** The stream without what gives access to it. */
export function nameOfStream({ tls, server, stream }: NatsSpec): string {
  return `${tls ? "nats+tls" : "nats"}://${server}/${stream}`;
}

function reference(key: string, value: string | undefined): Reference | undefined {
  if (value === undefined) return undefined;
  const found = parseReference(value);
  if (found !== undefined) return found;
  throw new SpecError(`The spec's \`${key}\` is no reference such as env:NAME or file:/path.`, MEND);
}

function path(key: string, value: string | undefined): string | undefined {
  const found = reference(key, value);
  if (found === undefined) return undefined;
  if (found.from === "file") return found.path;
  throw new SpecError(`The spec's \`${key}\` is no file:/path.`, MEND);
}
