/** `pkx top`. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "@pipekit/experiment";
import type { Command } from "commander";
import type { Commands, Context } from "./context.ts";
import { runDocument } from "./shapes.ts";
import { TopModel } from "./top-model.ts";
import { cut, topLines, toScreen } from "./top-screen.ts";

const TICK_MS = 1000;
/** Runs shown at the start, when fewer are unfinished. */
const RECENT_RUNS = 20;
const ENTER_SCREEN = "\x1b[?1049h\x1b[?25l";
const LEAVE_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_TO_LINE_END = "\x1b[K";

export function addTopCommand(program: Command, commands: Commands): void {
  const top = program
    .command("top")
    .description("watch runs and their sinks live; prints once where there is no terminal")
    .option("--once", "print once and end");
  commands.define<{ once?: boolean }>(top, {
    examples: "pkx top\npkx top --once\npkx top --json | jq .runs[0].sinks",
    run: async (context, _args, { once }) => {
      const live = once !== true && !context.json && context.terminal.isTerminal;
      await context.withClient((client) => (live ? liveTop(context, client) : topOnce(context, client)));
      return undefined;
    },
  });
}

async function topOnce(context: Context, client: Client): Promise<void> {
  const model = new TopModel();
  await fill(model, client, context.signal);
  await model.refreshShapes(client, RECENT_RUNS, context.signal);
  const document = {
    status: model.status,
    runs: model.rows().map(({ run }) => runDocument(run, { brief: false })),
  };
  context.print(document, () =>
    topLines(context, model, 0, Date.now() * 1000).map((line) => cut(line, context.terminal.columns)),
  );
}

async function liveTop(context: Context, client: Client): Promise<void> {
  const { terminal } = context;
  const quit = new AbortController();
  const signal = AbortSignal.any([terminal.signal, quit.signal]);
  const model = new TopModel();
  let first = 0;
  const paint = () => {
    first = Math.max(0, Math.min(first, model.rows().length - 1));
    const above = first > 0 ? `, ${first} above` : "";
    const foot = `${model.rows().length} runs${above}   q quit   ↑ ↓ scroll`;
    const lines = toScreen(topLines(context, model, first, Date.now() * 1000), foot, terminal);
    terminal.out(HOME + lines.map((line) => `${line}${CLEAR_TO_LINE_END}`).join("\r\n"));
  };
  const release = terminal.onKey?.((key) => {
    if (key === "q" || key === "\x03" || key === "\x1b") quit.abort();
    else if (key === "j" || key === "\x1b[B") first += 1;
    else if (key === "k" || key === "\x1b[A") first -= 1;
    if (!quit.signal.aborted) paint();
  });
  terminal.out(ENTER_SCREEN);
  try {
    await fill(model, client, signal);
    paint();
    await Promise.all([
      watch(model, client, signal),
      tick(model, client, () => Math.max(1, Math.ceil(terminal.rows / 3)), paint, signal),
    ]);
  } catch (error) {
    // Leaving by a key is how it ends; Ctrl-C as a signal is told as such by the caller.
    if (!quit.signal.aborted) throw error;
  } finally {
    quit.abort();
    release?.();
    terminal.out(LEAVE_SCREEN);
  }
}

async function fill(model: TopModel, client: Client, signal: AbortSignal): Promise<void> {
  model.status = await client.status({ signal });
  const briefs = new Map<string, number>();
  for await (const run of client.listRuns({ unfinished: true, signal })) {
    if (briefs.set(run.runId, run.points).size >= RECENT_RUNS) break;
  }
  for await (const run of client.listRuns({ signal })) {
    if (briefs.size >= RECENT_RUNS) break;
    briefs.set(run.runId, run.points);
  }
  for (const runId of briefs.keys()) model.put(await client.getRun(runId, { signal }), Date.now());
}

async function watch(model: TopModel, client: Client, signal: AbortSignal): Promise<void> {
  for await (const run of client.watchRuns([], { signal })) model.put(run, Date.now());
}

async function tick(
  model: TopModel,
  client: Client,
  visible: () => number,
  paint: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(TICK_MS, undefined, { signal });
    model.tick(Date.now());
    // The daemon may be on its way to a new start: what was told last stays on the screen.
    model.status = await client.status({ signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      if (error instanceof Error) return model.status;
      throw error;
    });
    await model.refreshShapes(client, visible(), signal);
    paint();
  }
}
