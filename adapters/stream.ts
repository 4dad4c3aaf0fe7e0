/**
 * The seam between fan-in and the streams that carry frames from daemon to daemon. A stream keeps messages until they are
 * acknowledged, and those of one source in the order in which they were published; it knows nothing of what is in them.
 */

/** A message to publish. The next one of a source is published only after this one is stored. */
export interface OutgoingMessage {
  /** Who publishes: a ULID. */
  readonly source: string;
  /** The same for the same content: published again soon after, it is kept once. */
  readonly id: string;
  /** Which piece of a body it is that is too large for one message, from 1, and how many there are. */
  readonly part: Part;
  readonly body: Uint8Array;
}

export interface Part {
  readonly number: number;
  readonly of: number;
}

/** A message that came. It comes again, perhaps behind later ones, unless `done` is called soon. */
export interface IncomingMessage {
  /** Empty when it does not say. */
  readonly source: string;
  /** Undefined when it does not say in a way that can be read. */
  readonly part: Part | undefined;
  readonly body: Uint8Array;
  /** Number within the stream. */
  readonly number: number;
  /** It need not come again. */
  done(): void;
  /** It is to come again, after `afterMs`. */
  again(afterMs: number): void;
  /** It is being worked on still: the time after which it comes again begins anew. */
  working(): void;
}

/** What became of a message: stored, or why not for now. */
export type PublishResult =
  | { readonly status: "ok" }
  /** `reason` is one sentence without secrets. */
  | { readonly status: "retry"; readonly reason: string };

/** One stream, connected to for as long as it is not closed: a connection that breaks is made again. */
export interface MessageStream {
  /** Bytes that a message's body may have. Throws StreamFault and the signal's reason. */
  maxBytes(signal: AbortSignal): Promise<number>;
  /** Never throws for a fault of the stream. Throws the signal's reason. */
  publish(message: OutgoingMessage, signal: AbortSignal): Promise<PublishResult>;
  /** What is in the stream and what comes, until the signal aborts. Throws StreamFault when it ends for another reason. */
  messages(signal: AbortSignal): AsyncIterable<IncomingMessage>;
  close(): Promise<void>;
}

/** What a stream may ask of its host. */
export interface StreamContext {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A kind of stream. */
export interface StreamKind {
  /** Checks a spec; the answer is for logs and names the stream without secrets. Throws SpecError. */
  parse(spec: string): string;
  /** Begins to connect, and does not wait for it. Throws SpecError. */
  connect(spec: string, context: StreamContext): MessageStream;
}

/** Why messages do not come. The message is one sentence without secrets. */
export class StreamFault extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "StreamFault";
  }
}
