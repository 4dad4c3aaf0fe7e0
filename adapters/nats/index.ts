/**
 * NATS JetStream as a stream between daemons. Loaded when a daemon's config names one.
 * Sources: the NATS JetStream API as the client library `@nats-io/jetstream` speaks it.
 */
import type { StreamKind } from "../stream.ts";
import { nameOfStream, parseNatsSpec } from "./spec.ts";
import { NatsStream } from "./stream.ts";

export const natsStream: StreamKind = {
  parse: (spec) => nameOfStream(parseNatsSpec(spec)),
  connect: (spec, context) => new NatsStream(parseNatsSpec(spec), context),
};
