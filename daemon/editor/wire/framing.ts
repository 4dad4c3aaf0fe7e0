/**
 * Bytes to JSON values, by the framing of the Language Server Protocol ("base protocol": header lines, an empty line, as
 * many bytes of JSON as `Content-Length` says). Whatever arrives, it goes on, and it keeps no more than one message.
 *
 * After a fault the next message is found by its header: `Content-Length: N` and a raw line end cannot stand inside a
 * valid JSON text, where a line end within a string is written `\n`.
 */

/** Bytes; a longer message is refused and passed over. */
export const MAX_MESSAGE = 64 << 20;
/** Bytes of a header; what is longer is none. */
const MAX_HEADER = 8192;
const HEADER_END = Buffer.from("\r\n\r\n");
const FIELD = "Content-Length: ";
/** A header that was found within other bytes: its longest form, bytes. */
const MAX_FIELD = FIELD.length + 12;

/** What was read: a value, or why there is none, in one sentence. */
export type Frame =
  | { readonly value: unknown }
  | { readonly fault: "syntax" | "size"; readonly reason: string };

/** Where the parser stands: in a header; in a body, whose bytes it keeps, or passes over when there are too many. */
type Place =
  | { readonly in: "header" }
  | { readonly in: "body"; readonly length: number; readonly kept: boolean; read: number };

export class FrameParser {
  /** In a header: what was read of it. In a body: its chunks. */
  #chunks: Buffer[] = [];
  #place: Place = { in: "header" };
  /** Since a fault, until a message can be read again: what is between is told once. */
  #lost = false;

  /** Takes the next bytes. */
  *push(bytes: Buffer): Generator<Frame> {
    let rest: Buffer | undefined = bytes;
    while (rest !== undefined && rest.length > 0) {
      if (this.#place.in === "header") rest = yield* this.#header(rest);
      else rest = yield* this.#body(rest, this.#place);
    }
  }

  /** Reads a header; what is after it, or undefined when there is no more. */
  *#header(bytes: Buffer): Generator<Frame, Buffer | undefined> {
    const head = Buffer.concat([...this.#chunks, bytes]);
    const end = head.indexOf(HEADER_END);
    if (end < 0) {
      if (head.length <= MAX_HEADER) {
        this.#chunks = [head];
        return undefined;
      }
      yield* this.#fault("syntax", "There is no header before the bytes of a message.");
      this.#chunks = [Buffer.from(head.subarray(-MAX_HEADER))];
      return undefined;
    }
    this.#chunks = [];
    const rest = head.subarray(end + HEADER_END.length);
    const { length, clean } = readHeader(
      head.subarray(Math.max(0, end - MAX_HEADER), end).toString("latin1"),
    );
    if (!clean) yield* this.#fault("syntax", "A header is not of the form `Content-Length: N`.");
    if (length === undefined) return rest;
    const kept = length <= MAX_MESSAGE;
    if (!kept) {
      const reason = `A message of ${length} bytes is too long; at most ${MAX_MESSAGE} are read.`;
      yield* this.#fault("size", reason, true);
    }
    this.#place = { in: "body", length, kept, read: 0 };
    // An empty body is complete already.
    return length === 0 ? yield* this.#complete(rest) : rest;
  }

  *#body(bytes: Buffer, place: Place & { in: "body" }): Generator<Frame, Buffer | undefined> {
    const within = bytes.subarray(0, place.length - place.read);
    const header = this.#findHeader(within);
    if (header !== undefined) {
      yield* this.#fault("syntax", "A message ended before the length in its header was reached.");
      this.#chunks = [];
      this.#place = { in: "header" };
      return Buffer.concat([header, bytes.subarray(within.length)]);
    }
    place.read += within.length;
    this.#chunks.push(within);
    if (!place.kept) this.#chunks = [this.#tail()];
    if (place.read < place.length) return undefined;
    const rest = bytes.subarray(within.length);
    if (place.kept) return yield* this.#complete(rest);
    this.#chunks = [];
    this.#place = { in: "header" };
    return rest;
  }

  /** Reads the JSON of a complete body. */
  *#complete(rest: Buffer): Generator<Frame, Buffer> {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#place = { in: "header" };
    let value: unknown;
    try {
      value = JSON.parse(body.toString("utf8"));
    } catch {
      yield* this.#fault("syntax", "A message is not JSON.", true);
      // The length may have been a lie: the next header may have begun in what was taken for the body.
      return Buffer.concat([body.subarray(-MAX_FIELD), rest]);
    }
    this.#lost = false;
    yield { value };
    return rest;
  }

  /** The bytes from a header on that stands within the body that is being read; undefined when there is none. */
  #findHeader(bytes: Buffer): Buffer | undefined {
    const text = Buffer.concat([this.#tail(), bytes]);
    for (let at = text.indexOf(FIELD); at >= 0; at = text.indexOf(FIELD, at + 1)) {
      const found = text.subarray(at, at + MAX_FIELD + HEADER_END.length).toString("latin1");
      if (/^Content-Length: \d{1,10}\r\n/.test(found)) return text.subarray(at);
    }
    return undefined;
  }

  /** The last bytes of the body, in which a header may have begun. A copy: the chunk itself may be large. */
  #tail(): Buffer {
    const last = this.#chunks.at(-1) ?? Buffer.alloc(0);
    const few = last.length < MAX_FIELD ? this.#chunks.slice(-MAX_FIELD) : [last];
    return Buffer.from(Buffer.concat(few).subarray(-MAX_FIELD));
  }

  *#fault(fault: "syntax" | "size", reason: string, always = false): Generator<Frame> {
    if (!this.#lost || always) yield { fault, reason };
    this.#lost = true;
  }
}

/** The length that a header tells, undefined when it tells none; `clean` when it is nothing but a header. */
function readHeader(text: string): { readonly length: number | undefined; readonly clean: boolean } {
  const lines = text.split("\r\n");
  // After a fault, the end of what was lost stands before the name.
  const found = lines.map((line) => /Content-Length:[ \t]*(\d+)[ \t]*$/i.exec(line)?.[1]);
  const digits = found.findLast((it) => it !== undefined);
  const isField = (line: string) => /^[\w-]+:[^:]*$/.test(line);
  return {
    length: digits === undefined ? undefined : Number(digits),
    clean: digits !== undefined && lines.every(isField),
  };
}
