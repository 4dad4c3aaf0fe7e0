/** What `models copy`, `export` and `import` tell. */
import type { CopiedModel, CopiedTag, CopyPart, CopySummary, Progress } from "@pipekit/experiment";
import { bytes, count, counted } from "../format.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { plain } from "./terminal.ts";

/** Shows the parts as they come: with --json a line each, progress left out. Fails when a tag was left as it is. */
export async function showCopy(
  context: Context,
  parts: AsyncIterable<CopyPart>,
  verb: string,
): Promise<number> {
  const line = new ProgressLine(context.terminal);
  let problems = 0;
  try {
    for await (const part of parts) {
      if (part.$case === "progress") {
        if (!context.json) line.show(progressText(part.value));
        continue;
      }
      line.clear();
      if (part.$case === "summary") problems = part.value.problems;
      context.printItem({ [part.$case]: part.value }, () => linesOf(context, part, verb));
    }
  } finally {
    line.clear();
  }
  return problems > 0 ? EXIT.failed : EXIT.ok;
}

function linesOf(context: Context, part: Exclude<CopyPart, { $case: "progress" }>, verb: string): string[] {
  if (part.$case === "model") return modelLines(part.value, verb);
  return part.$case === "tag" ? tagLines(context, part.value, verb) : [summaryLine(part.value, verb)];
}

/** What was there before is counted in the summary alone. */
function modelLines({ hash, created, bytes: size }: CopiedModel, verb: string): string[] {
  return created ? [`${hash}  ${verb}, ${bytes(size)}`] : [];
}

function tagLines(context: Context, { name, moves, problem }: CopiedTag, verb: string): string[] {
  if (problem !== "") return [`${plain(name)}  ${context.paint("red", "left as it is:")} ${plain(problem)}`];
  return moves === 0 ? [] : [`${plain(name)}  ${counted(moves, "move")} ${verb}`];
}

function summaryLine({ models, created, bytes: size, tags, problems }: CopySummary, verb: string): string {
  const there = models - created;
  const before = there === 0 ? "" : `, ${count(there)} there before`;
  const left = problems === 0 ? "" : `, ${count(problems)} left as they are`;
  return `${counted(created, "model")} ${verb} (${bytes(size)})${before}; ${counted(tags, "tag")}${left}.`;
}

function progressText({ phase, bytesDone, bytesTotal, modelsDone, modelsTotal }: Progress): string {
  return `${plain(phase)} ${count(modelsDone)} of ${count(modelsTotal)} models, ${bytes(bytesDone)} of ${bytes(bytesTotal)}`;
}
