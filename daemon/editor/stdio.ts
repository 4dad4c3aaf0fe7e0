/** Standard input and output as the client's streams. */
import { type Readable, Writable } from "node:stream";
import { reasonOf } from "../view/documents/failure.ts";

export interface ProtocolStreams {
  readonly input: Readable;
  readonly output: Writable;
  /** Writes a line of the log to standard error. */
  writeLog(line: string): void;
}

/**
 * Takes the streams of this process for its rest. Standard output is the protocol's alone then: what else is printed there,
 * by any package, goes to standard error; and an error that nobody caught is logged and ends nothing.
 */
export function takeProtocolStreams(): ProtocolStreams {
  const { stdout, stderr, stdin } = process;
  const write = stdout.write;
  const output = new Writable({
    write: (chunk, encoding, done) => void write.call(stdout, chunk, encoding, done),
  });
  stdout.on("error", () => output.destroy());
  // A log that nobody reads is no reason to end.
  stderr.on("error", () => {});
  const writeLog = (line: string) => void stderr.write(line);
  const uncaught = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    writeLog(`uncaught error: ${stack ?? reasonOf(error)}\n`);
  };
  stdout.write = ((...args: Parameters<typeof write>) => stderr.write(...args)) as typeof write;
  process.on("uncaughtException", uncaught).on("unhandledRejection", uncaught);
  return { input: stdin, output, writeLog };
}
