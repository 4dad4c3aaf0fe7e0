/** `pkx lsp`. */
import { setFlagsFromString } from "node:v8";
import { type Command, Option } from "commander";
import { type Commands, type CommonOptions, type Context, whole } from "./context.ts";
import { EXIT } from "./exit.ts";

/**
 * Flags of V8, as the new generation stands once everything is loaded, some megabytes: it grows no further, and garbage that
 * has grown old is collected early. An editor runs all day beside others; without it three parts in four of the memory are
 * garbage, and it costs about 2 ms of collecting after an edit of a file of 10,000 lines.
 */
const SPARING = ["--semi-space-growth-factor=1", "--heap-growing-percent=40"];

/** How long something may keep the process from ending after the client is done, milliseconds. */
const LINGER_MS = 500;

interface LspOptions extends CommonOptions {
  readonly clientProcessId?: number;
}

export function addLspCommand(program: Command, commands: Commands): void {
  const lsp = program
    .command("lsp")
    .description("serve an editor: the language server of runs, models and configs")
    .option("--stdio", "over standard input and output (the only way, and the default)")
    // Some clients add it.
    .addOption(
      new Option("--clientProcessId <pid>", "end when this process has").argParser(whole(1)).hideHelp(),
    );
  commands.define<LspOptions>(lsp, {
    examples: "pkx lsp --stdio\npkx lsp --stdio --no-start",
    run: serve,
  });
}

async function serve(context: Context, _args: readonly string[], options: LspOptions): Promise<number> {
  const { signal, terminal } = context;
  // Loaded here: no other command needs them.
  const [{ openView }, { serveEditor, takeProtocolStreams }] = await Promise.all([
    import("../view/index.ts"),
    import("../editor/index.ts"),
  ]);
  for (const flag of SPARING) setFlagsFromString(flag);
  const { env } = terminal;
  const view = openView({ stateFolder: options.stateDir, start: options.start !== false, env });
  try {
    const parentPid = options.clientProcessId;
    const code = await serveEditor({ ...takeProtocolStreams(), view, env, signal, parentPid });
    return signal.aborted ? EXIT.interrupted : code;
  } finally {
    view.close();
    setTimeout(() => process.exit(), LINGER_MS).unref();
  }
}
