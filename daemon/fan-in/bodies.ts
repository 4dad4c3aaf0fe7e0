import type { IncomingMessage } from "@pipekit/adapters/stream";
import { ForwardedFrames } from "@pipekit/proto";

/** Most bytes that a body of several pieces may have: a frame has 4 MiB, and comes alone where it is large. */
const MOST_BYTES = 16 * 1024 * 1024;

/** A whole body, and the messages that it came in. */
export interface Body {
  readonly messages: readonly IncomingMessage[];
  /** Undefined for bytes that are no frames. */
  readonly frames: ForwardedFrames["frames"] | undefined;
}

/** Puts bodies together again. Pieces of a source come in their order, but that a broken connection may repeat some. */
export class Bodies {
  readonly #begun = new Map<string, IncomingMessage[]>();

  /** The body that the message completes, or is; undefined while pieces are missing. */
  add(message: IncomingMessage): Body | undefined {
    const { part, source } = message;
    if (part === undefined || part.number < 1 || part.of < part.number || source === "")
      return { messages: [message], frames: undefined };
    if (part.of === 1) return bodyOf([message]);
    const begun = part.number === 1 ? [] : (this.#begun.get(source) ?? []);
    const bytes = begun.reduce((sum, { body }) => sum + body.length, message.body.length);
    if (bytes > MOST_BYTES) {
      this.#begun.delete(source);
      return { messages: [...begun, message], frames: undefined };
    }
    if (begun.length !== part.number - 1) {
      // What is before it comes again, and then this does.
      for (const one of [...begun, message]) one.again(1000);
      this.#begun.delete(source);
      return undefined;
    }
    begun.push(message);
    this.#begun.set(source, begun);
    if (begun.length < part.of) return undefined;
    this.#begun.delete(source);
    return bodyOf(begun);
  }
}

function bodyOf(messages: readonly IncomingMessage[]): Body {
  const bytes = messages.length === 1 ? messages[0]?.body : Buffer.concat(messages.map(({ body }) => body));
  try {
    const { frames } = ForwardedFrames.decode(bytes ?? new Uint8Array());
    return { messages, frames: frames.length === 0 ? undefined : frames };
  } catch {
    return { messages, frames: undefined };
  }
}
