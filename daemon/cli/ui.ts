/** `pkx ui`. */
import { once } from "node:events";
import { type Command, InvalidArgumentError } from "commander";
import type { Ui } from "../ui/index.ts";
import type { Commands, CommonOptions, Context } from "./context.ts";

interface UiCommandOptions extends CommonOptions {
  readonly port: number;
  readonly readOnly?: boolean;
  /** False with `--no-open`. */
  readonly open: boolean;
}

export function addUiCommand(program: Command, commands: Commands): void {
  const ui = program
    .command("ui")
    .description("show runs and models as a page in the browser, on loopback; runs until Ctrl-C")
    .option("--port <port>", "port on 127.0.0.1 (default: any that is free)", portNumber, 0)
    .option("--read-only", "let the page promote, roll back and send again nothing")
    .option("--no-open", "print the address only; nothing is opened over ssh or without a display either");
  commands.define<UiCommandOptions>(ui, {
    examples: "pkx ui\npkx ui --port 8265 --no-open\npkx ui --read-only --json | jq -r .url",
    run: runUi,
  });
}

async function runUi(
  context: Context,
  _args: readonly string[],
  options: UiCommandOptions,
): Promise<undefined> {
  const { signal, terminal } = context;
  // Loaded here: no other command needs them.
  const [{ openView }, { loadPage, serveUi }] = await Promise.all([
    import("../view/index.ts"),
    import("../ui/index.ts"),
  ]);
  const view = openView({
    stateFolder: options.stateDir,
    start: options.start !== false,
    env: terminal.env,
    mayChange: options.readOnly !== true,
  });
  try {
    const ui = await serveUi({ view, page: await loadPage(), port: options.port });
    try {
      // The page's first question finds the daemon there already. When it is not, the page says so.
      view.runs.ready(signal).catch(() => undefined);
      await (context.json ? untilStopped(context, ui) : untilQuit(context, ui, options.open));
    } finally {
      await ui.close();
    }
  } finally {
    view.close();
  }
  if (!context.json) terminal.out("The page has ended.\n");
  return undefined;
}

async function untilStopped(context: Context, ui: Ui): Promise<void> {
  context.printItem({ url: ui.newAddress() }, () => []);
  if (!context.signal.aborted) await once(context.signal, "abort");
}

/** Tells the address, and another at a key, until Ctrl-C or q. */
async function untilQuit(context: Context, ui: Ui, open: boolean): Promise<void> {
  const { browserCommand, openInBrowser } = await import("../ui/index.ts");
  const { terminal } = context;
  const command = open && terminal.isTerminal ? browserCommand(terminal.env) : undefined;
  const quit = new AbortController();
  const signal = AbortSignal.any([terminal.signal, quit.signal]);
  const forget: (() => Promise<void>)[] = [];
  const tell = async (openIt: boolean) => {
    const address = ui.newAddress();
    context.lines([address]);
    if (!openIt || command === undefined) return;
    const opened = await openInBrowser(address, command, terminal.env);
    forget.push(opened.forget);
    if (!opened.began) context.lines([`${command} could not be started; open the address yourself.`]);
  };
  context.lines(["The page is at the address below. It lets in one browser, once, within ten minutes."]);
  if (terminal.env["SSH_CONNECTION"]) {
    context.lines([`On your own machine first: ssh -L ${ui.port}:127.0.0.1:${ui.port} HOST`]);
  }
  const release = terminal.onKey?.((key) => {
    if (key === "q" || key === "\x03") quit.abort();
    else if (key === "n") void tell(false);
    else if (key === "o") void tell(true);
  });
  try {
    await tell(true);
    if (release) context.lines([`n new address   ${command ? "o open it   " : ""}q quit`]);
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    release?.();
    await Promise.all(forget.map((remove) => remove()));
  }
}

function portNumber(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) < 65_536) return Number(text);
  throw new InvalidArgumentError("It must be a port, 0 to 65535.");
}
