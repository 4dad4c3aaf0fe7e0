/** The log of the language server: short lines on standard error and in the editor's output. No text of files, no secrets. */

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Writes a line, and tells the editor `type` (MessageType of the protocol) and the message. */
export interface LogOutput {
  line(text: string): void;
  tell(type: number, message: string): void;
}

/** MessageType of the protocol: 1 error, 2 warning, 3 info, 4 log. */
const TYPES: Readonly<Record<LogLevel, number>> = { error: 1, warn: 2, info: 3, debug: 4 };
/** Characters of one entry: what a client sent may be quoted in it. */
const MAX_LENGTH = 2000;

export class Log {
  level: LogLevel = "info";
  readonly #output: LogOutput;

  constructor(output: LogOutput) {
    this.#output = output;
  }

  error(message: string): void {
    this.#write("error", message);
  }

  warn(message: string): void {
    this.#write("warn", message);
  }

  info(message: string): void {
    this.#write("info", message);
  }

  debug(message: string): void {
    this.#write("debug", message);
  }

  #write(level: LogLevel, message: string): void {
    if (TYPES[level] > TYPES[this.level]) return;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    const text = message.slice(0, MAX_LENGTH).replace(/[\u0000-\u001f\u007f]+/g, " ");
    this.#output.line(`${new Date().toISOString().slice(11, 23)} ${level.padEnd(5)} ${text}\n`);
    this.#output.tell(TYPES[level], text);
  }
}
