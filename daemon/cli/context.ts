import { type Client, connect, PipekitError } from "@pipekit/experiment";
import { type Command, CommanderError, InvalidArgumentError } from "commander";
import { EXIT, exitCodeOf } from "./exit.ts";
import { painter, type Terminal } from "./terminal.ts";

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly stateDir?: string;
  /** False with `--no-start`. */
  readonly start?: boolean;
}

/** What a command's code gets: where to write, and the way to the daemon. */
export class Context {
  readonly terminal: Terminal;
  readonly options: CommonOptions;
  readonly paint: ReturnType<typeof painter>;

  constructor(terminal: Terminal, options: CommonOptions) {
    this.terminal = terminal;
    this.options = options;
    this.paint = painter(terminal);
  }

  get json(): boolean {
    return this.options.json === true;
  }

  get signal(): AbortSignal {
    return this.terminal.signal;
  }

  /** Connects for the length of `work`. `start` says whether the command starts a daemon; --no-start overrides it. */
  async withClient<T>(work: (client: Client) => Promise<T>, start = true): Promise<T> {
    const client = await connect({
      stateFolder: this.options.stateDir,
      start: start && this.options.start !== false,
      signal: this.signal,
      env: this.terminal.env,
    });
    try {
      return await work(client);
    } finally {
      client.close();
    }
  }

  /** Prints a document as JSON, or the lines for a person. */
  print(document: unknown, lines: () => readonly string[]): void {
    if (this.json) this.terminal.out(`${JSON.stringify(document, null, 2)}\n`);
    else this.lines(lines());
  }

  /** Prints one of many documents: a line of JSON, or the lines for a person. */
  printItem(document: unknown, lines: () => readonly string[]): void {
    if (this.json) this.terminal.out(`${JSON.stringify(document)}\n`);
    else this.lines(lines());
  }

  lines(lines: readonly string[]): void {
    for (const line of lines) this.terminal.out(`${line}\n`);
  }
}

/** What a command does; the number is its exit code. */
export type Action<O> = (
  context: Context,
  args: readonly string[],
  options: O,
) => Promise<number | undefined>;

/** Adds commands whose exit code is kept. */
export class Commands {
  readonly #terminal: Terminal;
  exitCode: number = EXIT.ok;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Gives a command the common options, its examples and its action. `starts`: whether it may start the daemon. */
  define<O>(
    command: Command,
    definition: { examples: string; starts?: boolean; run: Action<O & CommonOptions> },
  ): void {
    command.option("--json", "print JSON instead of text");
    command.option(
      "--state-dir <dir>",
      "state folder of the daemon (default: $PKX_STATE_DIR, then the user's)",
    );
    if (definition.starts !== false)
      command.option("--no-start", "fail when no daemon runs instead of starting it");
    command.addHelpText("after", `\nExamples:\n${definition.examples.replace(/^/gm, "  ")}`);
    command.action(async (...given: unknown[]) => {
      const options = command.opts<O & CommonOptions>();
      const context = new Context(this.#terminal, options);
      const args = given
        .slice(0, command.registeredArguments.length)
        .flat()
        .filter((arg) => arg !== undefined);
      this.exitCode = (await definition.run(context, args as string[], options)) ?? EXIT.ok;
    });
  }
}

/** Tells a failure on standard error, as text or as a line of JSON, and returns the exit code. */
export function report(error: unknown, terminal: Terminal, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (terminal.signal.aborted) return EXIT.interrupted;
  const paint = painter(terminal);
  if (json) {
    const { code, message, field, mend } =
      error instanceof PipekitError ? error : new PipekitError("INTERNAL", String(error));
    terminal.err(`${JSON.stringify({ error: { code, message, field, mend } })}\n`);
    return exitCodeOf(code);
  }
  if (error instanceof PipekitError) {
    terminal.err(`${paint("red", `error ${error.code}:`)} ${error.message}\n`);
    if (error.mend !== "") terminal.err(`${error.mend}\n`);
    return exitCodeOf(error.code);
  }
  terminal.err(
    `${paint("red", "error:")} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return EXIT.failed;
}

/** Reads a number option; `least` is the smallest allowed. */
export function whole(least: number): (text: string) => number {
  return (text) => {
    if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}

/** Collects an option that may be given more than once. */
export function collect(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text];
}
