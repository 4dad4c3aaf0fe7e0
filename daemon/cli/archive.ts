/** `pkx models export`, `import`. */
import type { Command } from "commander";
import type { Commands } from "./context.ts";
import { showCopy } from "./copied.ts";
import { type RegistryOption, withRegistry } from "./registry-option.ts";

interface ExportSettings extends RegistryOption {
  readonly withoutTags?: boolean;
  readonly overwrite?: boolean;
}

interface ImportSettings extends RegistryOption {
  readonly withoutTags?: boolean;
  readonly force?: boolean;
  readonly actor?: string;
}

export function addArchiveCommands(models: Command, commands: Commands): void {
  const exporting = withRegistry(
    models
      .command("export")
      .description("write models with their tags and histories into one file, a tar archive"),
  )
    .argument("<file>", "archive to write; it appears when it is whole")
    .argument(
      "[refs...]",
      "the models: hash, its first 8 characters or more, tag, tag@7 or tag~1 (default: all)",
    )
    .option("--without-tags", "leave out the tags that point to the models")
    .option("--overwrite", "replace a file of the name");
  commands.define<ExportSettings>(exporting, {
    examples: "pkx models export models.tar\npkx models export models.tar production candidate",
    run: (context, [file = "", ...refs], { registry, withoutTags, overwrite }) =>
      context.withClient((client) => {
        const options = { refs, withoutTags, overwrite, signal: context.signal };
        return showCopy(context, client.registry(registry).exportTo(file, options), "exported");
      }),
  });
  const importing = withRegistry(
    models
      .command("import")
      .description("bring the models of an archive in, verified; what is there is left as it is"),
  )
    .argument("<file>", "archive that `pkx models export` has written")
    .option("--without-tags", "leave out tags and histories")
    .option("--force", "let a tag move whose history went another way here")
    .option("--actor <who>", "who imports (default: user@host)");
  commands.define<ImportSettings>(importing, {
    examples:
      "pkx models import models.tar\npkx models import models.tar --registry s3://team-models/ --json",
    run: (context, [file = ""], { registry, withoutTags, force, actor }) =>
      context.withClient((client) => {
        const options = { withoutTags, force, actor, signal: context.signal };
        return showCopy(context, client.registry(registry).importFrom(file, options), "imported");
      }),
  });
}
