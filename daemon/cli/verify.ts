/** `pkx models verify`. */
import type { VerifyResponse } from "@pipekit/experiment";
import type { Command } from "commander";
import { bytes, count } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { ProgressLine } from "./progress.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";
import { plain } from "./terminal.ts";

interface VerifySettings extends RegistryOption {
  readonly quick?: boolean;
}

export function addVerifyCommand(models: Command, commands: Commands): void {
  const verify = withRegistry(
    models
      .command("verify")
      .description(
        "recompute the digests of models, and look through tags and histories; exits 6 when a model is damaged, 1 when something else is amiss",
      ),
  )
    .argument(
      "[refs...]",
      "hash, its first 8 characters or more, tag, tag@7 or tag~1 (default: all models, and all tags)",
    )
    .option("--quick", "read no weights: compare sizes, and the checksums that the server keeps");
  commands.define<VerifySettings>(verify, {
    examples:
      "pkx models verify\npkx models verify --quick --registry s3://team-models/\npkx models verify production",
    run: verifyModels,
  });
}

async function verifyModels(
  context: Context,
  refs: readonly string[],
  { registry, quick }: VerifySettings,
): Promise<number> {
  const line = new ProgressLine(context.terminal);
  let [sound, damaged, other, read] = [0, 0, 0, 0];
  try {
    await context.withClient(async (client) => {
      const options = { quick, signal: context.signal };
      for await (const finding of client.registry(registry).verify(refs, options)) {
        read += finding.bytesRead;
        if (finding.problems.length === 0) sound += 1;
        else if (finding.hash === "") other += finding.problems.length;
        else damaged += 1;
        line.clear();
        context.printItem(finding, () => linesOf(context, finding));
        if (!context.json)
          line.show(`${count(sound + damaged)} of ${count(finding.total)} models, ${bytes(read)} read`);
      }
    });
  } finally {
    line.clear();
  }
  const besides = other === 0 ? "" : `, ${count(other)} other ${other === 1 ? "problem" : "problems"}`;
  if (!context.json)
    context.lines([`${count(sound)} sound, ${count(damaged)} damaged${besides}, ${bytes(read)} read.`]);
  if (damaged > 0) return EXIT.corrupt;
  return other > 0 ? EXIT.failed : EXIT.ok;
}

function linesOf(context: Context, { hash, problems }: VerifyResponse): string[] {
  const state = problems.length === 0 ? context.paint("green", "sound") : context.paint("red", "damaged");
  const head = hash === "" ? "tags and histories" : `${hash}  ${state}`;
  return [head, ...problems.map((problem) => `  ${plain(problem)}`)];
}
