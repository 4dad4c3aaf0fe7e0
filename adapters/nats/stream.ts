import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { headers, type NatsConnection, nanos } from "@nats-io/transport-node";
import { unlessAborted } from "../aborting.ts";
import {
  type IncomingMessage,
  type MessageStream,
  type OutgoingMessage,
  type PublishResult,
  type StreamContext,
  StreamFault,
} from "../stream.ts";
import { connectTo } from "./connection.ts";
import { type NatsSpec, nameOfStream } from "./spec.ts";

const PUBLISH_MS = 5000;
/** After which a message that was not acknowledged comes again. */
const ACK_WAIT_MS = 10_000;
const IN_FLIGHT = 128;
/** Within which a message that is published again is kept once. */
const DUPLICATES_MS = 120_000;
/** For headers and the like. */
const ROOM_BYTES = 4096;
const PART = "Pkx-Part";
const NOT_FOUND = 404;

/**
 * A JetStream stream. Messages of a source have a subject of their own, `pkx.STREAM.SOURCE`. Who takes them makes the stream
 * when there is none: what is acknowledged goes from it, and when it is full, it refuses what is new.
 */
export class NatsStream implements MessageStream {
  readonly #spec: NatsSpec;
  readonly #context: StreamContext;
  #connection: Promise<NatsConnection> | undefined;

  constructor(spec: NatsSpec, context: StreamContext) {
    this.#spec = spec;
    this.#context = context;
  }

  async maxBytes(signal: AbortSignal): Promise<number> {
    const connection = await this.#connect(signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new StreamFault(`${nameOfStream(this.#spec)} cannot be reached: ${textOf(error)}.`, error);
    });
    return Math.max(ROOM_BYTES, (connection.info?.max_payload ?? 2 ** 20) - ROOM_BYTES);
  }

  async publish({ source, id, part, body }: OutgoingMessage, signal: AbortSignal): Promise<PublishResult> {
    const { stream } = this.#spec;
    const head = headers();
    head.set(PART, `${part.number}/${part.of}`);
    try {
      const client: JetStreamClient = jetstream(await this.#connect(signal));
      const options = { msgID: id, headers: head, timeout: PUBLISH_MS, expect: { streamName: stream } };
      await unlessAborted(client.publish(`pkx.${stream}.${source}`, body, options), signal);
      return { status: "ok" };
    } catch (error) {
      signal.throwIfAborted();
      return {
        status: "retry",
        reason: `${nameOfStream(this.#spec)} does not take frames: ${textOf(error)}.`,
      };
    }
  }

  async *messages(signal: AbortSignal): AsyncGenerator<IncomingMessage> {
    const { stream, consumer } = this.#spec;
    try {
      const connection = await this.#connect(signal);
      const manager = await unlessAborted(jetstreamManager(connection), signal);
      await unlessAborted(this.#prepare(manager), signal);
      const found = await unlessAborted(jetstream(connection).consumers.get(stream, consumer), signal);
      const messages = await found.consume({ max_messages: IN_FLIGHT });
      const stop = () => messages.stop();
      signal.addEventListener("abort", stop, { once: true });
      try {
        if (!signal.aborted) for await (const message of messages) yield incoming(message);
      } finally {
        signal.removeEventListener("abort", stop);
        stop();
      }
    } catch (error) {
      signal.throwIfAborted();
      throw new StreamFault(`${nameOfStream(this.#spec)} does not give frames: ${textOf(error)}.`, error);
    }
  }

  async close(): Promise<void> {
    // One that is being made is given up with the process.
    const connection = await Promise.race([this.#connection, undefined]).catch(() => undefined);
    await connection?.close();
  }

  /** The one connection; where it could not be made, the next call tries again. */
  #connect(signal: AbortSignal): Promise<NatsConnection> {
    const made = this.#connection ?? connectTo(this.#spec, this.#context);
    this.#connection = made;
    made.catch(() => {
      if (this.#connection === made) this.#connection = undefined;
    });
    return unlessAborted(made, signal);
  }

  async #prepare({ streams, consumers }: JetStreamManager): Promise<void> {
    const { stream, consumer, maxGb } = this.#spec;
    const subject = `pkx.${stream}.>`;
    await streams.info(stream).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      await streams.add({
        name: stream,
        subjects: [subject],
        retention: RetentionPolicy.Workqueue,
        discard: DiscardPolicy.New,
        storage: StorageType.File,
        duplicate_window: nanos(DUPLICATES_MS),
        ...(maxGb > 0 && { max_bytes: Math.round(maxGb * 1e9) }),
      });
    });
    await consumers.info(stream, consumer).catch(async (error: unknown) => {
      if (!isNotFound(error)) throw error;
      await consumers.add(stream, {
        durable_name: consumer,
        filter_subject: subject,
        ack_policy: AckPolicy.Explicit,
        deliver_policy: DeliverPolicy.All,
        ack_wait: nanos(ACK_WAIT_MS),
        max_ack_pending: IN_FLIGHT,
      });
    });
  }
}

function incoming(message: JsMsg): IncomingMessage {
  const [, number, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(message.headers?.get(PART) ?? "") ?? [];
  return {
    source: message.subject.split(".")[2] ?? "",
    part: number === undefined ? undefined : { number: Number(number), of: Number(of) },
    body: message.data,
    number: message.seq,
    done: () => message.ack(),
    again: (afterMs) => message.nak(afterMs),
    working: () => message.working(),
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.status === NOT_FOUND;
}

/** What a fault says, without its end: errors of this library name no secrets. */
function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.+$/, "");
}
