/** `pkx runs`. */
import {
  type Client,
  type MetricSeries,
  type MetricsQuery,
  PipekitError,
  type Run,
  type Sink,
} from "@pipekit/experiment";
import { type Command, Option } from "commander";
import { count, duration, figure, moment } from "../format.ts";
import { chart } from "./chart.ts";
import { type Commands, type Context, collect, whole } from "./context.ts";
import { memberTable } from "./members.ts";
import { runDocument, runState, sinkState } from "./shapes.ts";
import { pairs, plain, table } from "./terminal.ts";

const MAX_CHARTS = 8;
const CHART_HEIGHT = 8;
/** Points that are read for one column of a chart; min and max of each bucket are among them. */
const POINTS_A_COLUMN = 8;

interface ShowOptions {
  readonly metric?: readonly string[];
  readonly width?: number;
  readonly charts: boolean;
}

interface ListOptions {
  readonly limit: number;
  readonly state?: "running" | "completed" | "failed";
  readonly name?: string;
  readonly group?: string;
}

export function addRunCommands(program: Command, commands: Commands): void {
  const runs = program
    .command("runs")
    .description("look at runs")
    .addHelpText("after", "\nExamples:\n  pkx runs list\n  pkx runs show 01JB3C8Z");
  const list = runs
    .command("list")
    .description("list runs, newest first")
    .option("--limit <n>", "at most so many", whole(1), 20)
    .addOption(new Option("--state <state>", "only these").choices(["running", "completed", "failed"]))
    .option("--name <text>", "only runs whose name contains this")
    .option("--group <id>", "only runs that this group of processes writes");
  commands.define<ListOptions>(list, {
    examples: "pkx runs list\npkx runs list --state running --json\npkx runs list --group slurm-4711.0",
    run: (context, _args, options) => listRuns(context, options),
  });
  const show = runs
    .command("show")
    .description("show a run: summary, params, sinks, and a chart for each metric")
    .argument("<id>", "run id, or its first 8 characters or more")
    .option("--metric <key>", "chart this metric; may be repeated (default: all, at most 8)", collect)
    .option("--width <columns>", "width of the charts", whole(10))
    .option("--no-charts", "leave the charts out");
  commands.define<ShowOptions>(show, {
    examples: "pkx runs show 01JB3C8Z\npkx runs show 01JB3C8Z --metric loss --metric val/acc --width 120",
    run: (context, [id = ""], options) =>
      context.withClient((client) => showRun(context, client, id, options)),
  });
  const watch = runs
    .command("watch")
    .description("print runs whenever they change, until Ctrl-C")
    .argument("[ids...]", "run ids (default: runs that run or are not delivered)");
  commands.define(watch, {
    examples: "pkx runs watch\npkx runs watch 01JB3C8Z --json",
    run: watchRuns,
  });
}

async function listRuns(context: Context, { limit, state, name, group }: ListOptions): Promise<undefined> {
  const runs = await context.withClient(async (client) => {
    const found: Run[] = [];
    for await (const run of client.listRuns({ state, nameContains: name, group, signal: context.signal })) {
      if (found.push(run) >= limit) break;
    }
    return found;
  });
  const columns = [
    { title: "RUN" },
    { title: "NAME" },
    { title: "STATE" },
    { title: "STARTED" },
    { title: "TOOK", right: true },
    { title: "POINTS", right: true },
    { title: "PENDING", right: true },
  ];
  context.print({ runs: runs.map((run) => runDocument(run, { brief: true })) }, () =>
    runs.length === 0
      ? ["No runs."]
      : table(
          columns,
          runs.map((run) => [
            run.runId,
            run.name,
            runState(run),
            moment(run.startedAtUs),
            duration(lasted(run)),
            count(run.points),
            count(run.sinks.reduce((sum, sink) => sum + sink.pointsPending, 0)),
          ]),
        ),
  );
}

async function showRun(
  context: Context,
  client: Client,
  id: string,
  options: ShowOptions,
): Promise<undefined> {
  const { signal } = context;
  const run = await client.getRun(id, { signal });
  const { sinks, deadLetters } = await client.sinkStatus(run.runId, { signal });
  const width = options.width ?? Math.max(20, Math.min(context.terminal.columns - 14, 80));
  const keys = options.metric ?? run.series.slice(0, MAX_CHARTS).map(({ key }) => key);
  const wanted = options.charts && !context.json && keys.length > 0;
  const query = { keys, maxPoints: width * POINTS_A_COLUMN, signal };
  const { series, pruned } = wanted ? await readUnlessPruned(client, run.runId, query) : NOTHING;
  const document = { ...runDocument({ ...run, sinks: [...sinks] }, { brief: false }), deadLetters };
  context.print(document, () => [
    ...summary(context, run),
    ...section(context, "members", memberTable(run)),
    ...section(context, "params", pairs(Object.entries(run.params), "  ")),
    ...section(
      context,
      "artifacts",
      run.artifacts.map(
        (artifact) => `  ${plain(artifact.name)}${artifact.uri === "" ? "" : ` (${plain(artifact.uri)})`}`,
      ),
    ),
    ...section(
      context,
      "sinks",
      sinks.flatMap((sink) => sinkLines(context, sink)),
    ),
    ...section(
      context,
      "dead letters",
      deadLetters.map(
        (letter) =>
          `  ${letter.kind}, ${count(letter.points)} points, ${plain(letter.spec)}: ${plain(letter.reason)}`,
      ),
    ),
    ...section(context, "metrics", metricTable(run)),
    ...series.flatMap((one) => ["", ...chartLines(context, one, width)]),
    ...(pruned === "" ? notShown(run, keys, series, wanted) : ["", pruned]),
  ]);
}

const NOTHING = { series: [], pruned: "" };

/** The series, or the sentence that tells why there are none any more. */
async function readUnlessPruned(
  client: Client,
  runId: string,
  query: MetricsQuery,
): Promise<{ series: readonly MetricSeries[]; pruned: string }> {
  try {
    return { series: await client.readSeries(runId, query), pruned: "" };
  } catch (error) {
    if (!(error instanceof PipekitError) || error.code !== "RUN_PRUNED") throw error;
    return { series: [], pruned: `${error.message} ${error.mend}` };
  }
}

function summary({ paint }: Context, run: Run): string[] {
  const state = runState(run);
  const colour = state === "failed" ? "red" : state === "running" ? "cyan" : "green";
  const ended = run.endedAtUs === 0 ? "" : `, ended ${moment(run.endedAtUs)}`;
  const head = `${paint("bold", plain(run.name) || "(no name)")}  ${paint(colour, state)}${run.reason === "" ? "" : ` (${plain(run.reason)})`}`;
  return [
    head,
    ...pairs([
      ["run", run.runId],
      ["started", `${moment(run.startedAtUs)}${ended}, ${duration(lasted(run))}`],
      ["by", `${run.client} on ${run.host}${run.pid === 0 ? "" : `, pid ${run.pid}`}`],
      ["points", count(run.points)],
      ...(run.pipelineHash === "" ? [] : [["pipeline", run.pipelineHash] as const]),
      ...(run.configJson === "" || run.configJson === "{}" ? [] : [["config", run.configJson] as const]),
      ...Object.entries(run.tags).map(([name, value]) => [`tag ${name}`, value] as const),
    ]),
  ];
}

function sinkLines({ paint }: Context, sink: Sink): string[] {
  const state = sinkState(sink);
  const colour = state === "refused" ? "red" : state === "retrying" ? "yellow" : "green";
  const shown = sink.pointsShown < 0 ? "" : `, ${count(sink.pointsShown)} shown by the tool`;
  const dead = sink.pointsDead === 0 ? "" : `, ${count(sink.pointsDead)} refused`;
  const remote = [sink.remoteId, sink.remoteUrl].filter((text) => text !== "").join("  ");
  return [
    `  ${plain(sink.spec)}  ${paint(colour, state)}`,
    `    ${count(sink.pointsSent)} points sent, ${count(sink.pointsPending)} pending${dead}${shown}`,
    ...(remote === "" ? [] : [`    ${plain(remote)}`]),
    ...(sink.lastError === "" ? [] : [`    ${paint("yellow", plain(sink.lastError))}`]),
    ...(sink.retryAtUs === 0 ? [] : [`    next try ${moment(sink.retryAtUs)}`]),
    ...sink.notes.map((note) => `    note: ${plain(note)}`),
  ];
}

function metricTable(run: Run): string[] {
  if (run.series.length === 0) return [];
  const columns = [
    { title: "METRIC" },
    { title: "POINTS", right: true },
    { title: "LAST STEP", right: true },
    { title: "LAST", right: true },
    { title: "MIN", right: true },
    { title: "MAX", right: true },
  ];
  const rows = run.series.map((one) => [
    one.key,
    count(one.points),
    String(one.lastStep),
    figure(one.lastValue),
    figure(one.minValue),
    figure(one.maxValue),
  ]);
  return table(columns, rows).map((line) => `  ${line}`);
}

function chartLines({ paint }: Context, series: MetricSeries, width: number): string[] {
  const lines = chart(series, { width, height: CHART_HEIGHT });
  return [paint("bold", plain(series.key)), ...lines.map((line) => `  ${line}`)];
}

function notShown(
  run: Run,
  keys: readonly string[],
  series: readonly MetricSeries[],
  wanted: boolean,
): string[] {
  if (!wanted) return [];
  const drawn = new Set(series.map(({ key }) => key));
  const missing = keys.filter((key) => !drawn.has(key));
  const more = run.series.length - drawn.size;
  return [
    ...missing.map((key) => `No metric is called ${plain(key)}.`),
    ...(more > 0 && missing.length === 0 && run.series.length > MAX_CHARTS
      ? [`${more} more metrics; chart them with --metric KEY.`]
      : []),
  ];
}

function section({ paint }: Context, title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", paint("bold", title), ...lines];
}

async function watchRuns(context: Context, ids: readonly string[]): Promise<undefined> {
  await context.withClient(async (client) => {
    for await (const run of client.watchRuns(ids, { signal: context.signal })) {
      const pending = run.sinks.reduce((sum, sink) => sum + sink.pointsPending, 0);
      context.printItem(runDocument(run, { brief: false }), () => [
        `${run.runId}  ${runState(run).padEnd(9)}  ${count(run.points)} points, ${count(pending)} pending  ${plain(run.name)}`,
      ]);
    }
  });
}

function lasted(run: Run): number {
  return (run.endedAtUs === 0 ? Date.now() * 1000 : run.endedAtUs) - run.startedAtUs;
}
