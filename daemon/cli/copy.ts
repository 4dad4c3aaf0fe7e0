/** `pkx models copy`. */
import type { Command } from "commander";
import type { Commands } from "./context.ts";
import { showCopy } from "./copied.ts";

interface CopySettings {
  readonly from: string;
  readonly to: string;
  readonly withoutTags?: boolean;
  readonly force?: boolean;
  readonly actor?: string;
}

export function addCopyCommand(models: Command, commands: Commands): void {
  const copy = models
    .command("copy")
    .description(
      "bring models with their tags and histories into another registry; may be repeated and broken off",
    )
    .argument(
      "[refs...]",
      "the models: hash, its first 8 characters or more, tag, tag@7 or tag~1 (default: all)",
    )
    .option("--from <spec>", "registry to copy from (default: the state folder's)", "")
    .requiredOption("--to <spec>", "registry to copy to, such as s3://bucket/models/")
    .option("--without-tags", "leave out the tags that point to the models")
    .option("--force", "let a tag move whose history went another way there")
    .option("--actor <who>", "who copies (default: user@host)");
  commands.define<CopySettings>(copy, {
    examples: `pkx models copy --to s3://team-models/
pkx models copy production --from s3://team-models/ --to local:/srv/models`,
    run: (context, refs, { from, to, withoutTags, force, actor }) =>
      context.withClient((client) => {
        const options = { refs, withoutTags, force, actor, signal: context.signal };
        return showCopy(context, client.registry(from).copyTo(to, options), "copied");
      }),
  });
}
