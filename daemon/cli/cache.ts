/** `pkx models cache`: what this host keeps of models from registries elsewhere. It works on files, with or without a daemon. */
import { resolve } from "node:path";
import { stateFolder } from "@pipekit/experiment";
import type { Command } from "commander";
import { loadConfig, stateLayout } from "../config/index.ts";
import { bytes, count, moment } from "../format.ts";
import type { Commands, Context } from "./context.ts";
import { table } from "./terminal.ts";

export function addCacheCommands(models: Command, commands: Commands): void {
  const cache = models
    .command("cache")
    .description("weights that were fetched from registries elsewhere and are kept on this host")
    .addHelpText("after", "\nExamples:\n  pkx models cache\n  pkx models cache clear");
  commands.define(
    cache.command("list", { isDefault: true }).description("list them, the one used last first"),
    { starts: false, examples: "pkx models cache\npkx models cache list --json", run: listCache },
  );
  const clear = cache
    .command("clear")
    .description("remove them; those handed out in the last 10 minutes stay")
    .option("--all", "these as well; programs that are about to open one fail");
  commands.define<{ all?: boolean }>(clear, {
    starts: false,
    examples: "pkx models cache clear\npkx models cache clear --all",
    run: clearCache,
  });
}

const COLUMNS = [{ title: "SHA-256" }, { title: "BYTES", right: true }, { title: "LAST USED" }];

async function listCache(context: Context): Promise<undefined> {
  const { cachedWeights } = await import("../registry/index.ts");
  const folder = cacheFolder(context);
  const files = (await cachedWeights(folder)).reverse();
  const { cacheBytes } = await loadConfig({}, context.terminal.env);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  context.print({ folder, bytes: total, limitBytes: cacheBytes, files }, () => [
    ...(files.length === 0
      ? []
      : table(
          COLUMNS,
          files.map((file) => [file.sha256.slice(0, 12), bytes(file.bytes), moment(file.usedAtMs * 1000)]),
        )),
    `${count(files.length)} files, ${bytes(total)} of at most ${bytes(cacheBytes)}, in ${folder}.`,
  ]);
}

async function clearCache(
  context: Context,
  _args: readonly string[],
  { all = false }: { all?: boolean },
): Promise<undefined> {
  const { cachedWeights, clearModelCache } = await import("../registry/index.ts");
  const folder = cacheFolder(context);
  const removed = await clearModelCache(folder, all);
  const left = await cachedWeights(folder);
  const freed = removed.reduce((sum, file) => sum + file.bytes, 0);
  context.print({ folder, removed: removed.length, bytes: freed, left: left.length }, () => [
    `${count(removed.length)} files removed, ${bytes(freed)} freed.`,
    ...(left.length === 0
      ? []
      : [`${count(left.length)} stay, since they were handed out just now; remove them with --all.`]),
  ]);
}

function cacheFolder(context: Context): string {
  const folder = resolve(context.options.stateDir ?? stateFolder(context.terminal.env));
  return stateLayout(folder).cacheFolder;
}
