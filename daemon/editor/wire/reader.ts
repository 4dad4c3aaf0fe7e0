/** Reads messages for vscode-jsonrpc from a stream that may hold anything. */
import type { Readable } from "node:stream";
import {
  AbstractMessageReader,
  type DataCallback,
  Disposable,
  ErrorCodes,
  type Message,
  type ResponseMessage,
} from "vscode-jsonrpc/node";
import { FrameParser } from "./framing.ts";
import { checkMessage } from "./message.ts";

/** Messages that may wait to be handed on before the stream has to wait. */
const MAX_WAITING = 1000;

/** Answers what could not be read. */
export type Refuse = (response: ResponseMessage) => void;

/**
 * Instead of vscode-jsonrpc's own reader, which loses its place after a bad header, believes any length, and hands on
 * what is no message. An unreadable message is refused and costs itself; the reader goes on.
 */
export class GuardedReader extends AbstractMessageReader {
  readonly #input: Readable;
  readonly #refuse: Refuse;
  readonly #frames = new FrameParser();
  #waiting: Message[] = [];
  #next = 0;

  constructor(input: Readable, refuse: Refuse) {
    super();
    this.#input = input;
    this.#refuse = refuse;
  }

  listen(callback: DataCallback): Disposable {
    const read = (bytes: Buffer) => this.#read(bytes, callback);
    const close = () => this.fireClose();
    this.#input.on("data", read).once("end", close).once("close", close).once("error", close);
    return Disposable.create(() => {
      this.#input.off("data", read).off("end", close).off("close", close).off("error", close);
    });
  }

  #read(bytes: Buffer, callback: DataCallback): void {
    for (const frame of this.#frames.push(bytes)) {
      if ("fault" in frame) {
        const code = frame.fault === "size" ? ErrorCodes.InvalidRequest : ErrorCodes.ParseError;
        this.#refuse({ jsonrpc: "2.0", id: null, error: { code, message: frame.reason } });
        continue;
      }
      const checked = checkMessage(frame.value);
      if ("message" in checked) this.#waiting.push(checked.message);
      else {
        const error = { code: ErrorCodes.InvalidRequest, message: checked.reason };
        this.#refuse({ jsonrpc: "2.0", id: checked.id, error });
      }
    }
    if (this.#waiting.length > MAX_WAITING) this.#input.pause();
    if (this.#next === 0 && this.#waiting.length > 0) this.#handOn(callback);
  }

  /** One message a turn of the event loop, which is the pace of vscode-jsonrpc: its queue, which has no bound, stays short. */
  #handOn(callback: DataCallback): void {
    const message = this.#waiting[this.#next++];
    if (message === undefined) {
      this.#waiting = [];
      this.#next = 0;
      if (this.#input.isPaused()) this.#input.resume();
      return;
    }
    callback(message);
    setImmediate(() => this.#handOn(callback));
  }
}
