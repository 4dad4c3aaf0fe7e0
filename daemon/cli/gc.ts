/** `pkx models gc`. */
import type { GcEntry, GcSummary } from "@pipekit/experiment";
import { type Command, InvalidArgumentError } from "commander";
import { bytes, count, duration } from "../format.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { jsonObject } from "./json.ts";
import { ProgressLine } from "./progress.ts";
import { span } from "./prune.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { plain, table } from "./terminal.ts";

type Entries = Readonly<{ [name: string]: unknown }>;

interface GcSettings extends RegistryOption {
  readonly apply?: boolean;
  readonly keepLast?: number;
  readonly minAge?: number;
  readonly keepMoves?: number;
  readonly keepMoved?: number;
  readonly keep?: readonly Entries[];
}

/** Why models are kept, as a person says it. */
const REASONS: Readonly<Record<string, string>> = {
  tagged: "tagged",
  pinned: "pinned",
  leased: "being stored, tagged or pinned",
  moved: "tagged lately",
  young: "young",
  last: "among the newest",
  metadata: "chosen by their metadata",
};

export function addGcCommand(models: Command, commands: Commands): void {
  const gc = withRegistry(
    models.command("gc").description("delete models that nothing keeps; tells what would go unless --apply"),
  )
    .option("--keep-last <n>", "keep the newest so many models", whole(0))
    .option("--min-age <time>", "keep models stored within this time, such as 12h or 7d (default: 24h)", age)
    .option("--keep-moves <n>", "keep where the last so many moves of each tag led (default: 10)", whole(0))
    .option("--keep-moved <time>", "keep where tags pointed within this time (default: 30d)", age)
    .option(
      "--keep <key=value>",
      "keep models with this in their metadata, or with all of a JSON object",
      chosen,
    )
    .option("--apply", "do it");
  commands.define<GcSettings>(gc, {
    examples:
      'pkx models gc\npkx models gc --keep-last 20 --min-age 7d --apply\npkx models gc --keep stage=release --keep \'{"team":"vision"}\'',
    run: runGc,
  });
}

/** Seconds of a span such as `30d`, or of `0`. */
function age(text: string): number {
  return text === "0" ? 0 : span(text);
}

/** Of `key=value` the value is JSON where it can be read as such, and else a text. */
function chosen(text: string, earlier: readonly Entries[] = []): Entries[] {
  if (text.startsWith("{")) return [...earlier, jsonObject(text, "--keep")];
  const at = text.indexOf("=");
  if (at < 1)
    throw new InvalidArgumentError("It must be key=value, such as stage=release, or a JSON object.");
  return [...earlier, { [text.slice(0, at)]: valueIn(text.slice(at + 1)) }];
}

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function runGc(context: Context, _args: readonly string[], settings: GcSettings): Promise<undefined> {
  const { registry, apply = false, keepLast, minAge, keepMoves, keepMoved, keep = [] } = settings;
  const policy = {
    keepLast,
    minAgeMs: minAge === undefined ? undefined : minAge * 1000,
    keepMoves,
    keepMovedMs: keepMoved === undefined ? undefined : keepMoved * 1000,
    keepMetadata: keep,
  };
  const line = new ProgressLine(context.terminal);
  const entries: GcEntry[] = [];
  const summaries: GcSummary[] = [];
  try {
    await context.withClient(async (client) => {
      for await (const part of client.registry(registry).gc({ policy, apply, signal: context.signal })) {
        if (part.$case === "entry") entries.push(part.value);
        else if (part.$case === "summary") summaries.push(part.value);
        else line.show(`${part.value.phase}: ${count(part.value.modelsDone)} models`);
      }
    });
  } finally {
    line.clear();
  }
  const [summary] = summaries;
  context.print({ applied: apply, entries, summary }, () => [
    ...planLines(entries),
    ...(summary === undefined ? [] : summaryLines(summary)),
  ]);
}

function planLines(entries: readonly GcEntry[]): string[] {
  const going = entries.filter(({ keptBecause }) => keptBecause === "");
  const now = Date.now() * 1000;
  const rows = going.map(({ hash, bytes: size, storedAtUs, remains }) => [
    hash.slice(0, 12),
    duration(now - storedAtUs),
    bytes(size),
    remains ? "remains of a model" : "",
  ]);
  const columns = [{ title: "MODEL" }, { title: "AGE" }, { title: "SIZE", right: true }, { title: "" }];
  return [
    ...(rows.length === 0 ? [] : table(columns, rows)),
    ...entries
      .filter(({ keptBecause }) => keptBecause !== "")
      .map(({ hash, keptBecause }) => `kept ${hash.slice(0, 12)}: ${plain(keptBecause)}`),
  ];
}

function summaryLines(summary: GcSummary): string[] {
  const { candidates, candidateBytes, deleted, deletedBytes, litter, litterBytes, dryRun } = summary;
  const kept = Object.entries(REASONS).flatMap(([reason, told]) => {
    const models = summary.kept[reason];
    return models === undefined ? [] : [`${count(models)} ${told}`];
  });
  const went = dryRun
    ? `Would go: ${count(candidates)} of ${count(summary.models)} models, ${bytes(candidateBytes)}.`
    : `Deleted: ${count(deleted)} of ${count(summary.models)} models, ${bytes(deletedBytes)}.`;
  return [
    ...(kept.length === 0 ? [] : [`Kept: ${kept.join(", ")}.`]),
    ...(litter === 0 ? [] : [`Left by dead processes: ${count(litter)} files, ${bytes(litterBytes)}.`]),
    ...(candidates === 0 && litter === 0 ? ["Nothing to collect."] : [went]),
    ...(dryRun && candidates + litter > 0 ? ["Nothing was deleted: give --apply."] : []),
  ];
}
