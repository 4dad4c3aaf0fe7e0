/** `pkx data`: versions of data sets in a DVC repository. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { Commands } from "./context.ts";
import { move, type RepoOption, showStatus, tellOf } from "./data-shown.ts";

interface MoveOptions extends RepoOption {
  readonly remote?: string;
  readonly force?: boolean;
  readonly to?: string;
}

const TARGETS = "paths of data, .dvc files or stages (default: all)";

export function addDataCommands(program: Command, commands: Commands): void {
  const data = program
    .command("data")
    .description("keep versions of data sets as DVC does; DVC need not be installed")
    .addHelpText("after", "\nExamples:\n  pkx data add data/train\n  pkx data push\n  pkx data status");
  const add = inRepo(data.command("add"))
    .description("put a file or folder into the cache, and write its .dvc file")
    .argument("<path>", "file or folder of data");
  commands.define<RepoOption>(add, {
    examples: "pkx data add data/train",
    run: (context, [path = ""], options) =>
      tellOf(context, options, (datasets, settings) => datasets.add(resolve(path), settings)),
  });
  const hash = inRepo(data.command("hash"))
    .description("compute the hashes of a file or folder; writes nothing")
    .argument("<path>", "file or folder of data");
  commands.define<RepoOption>(hash, {
    examples: "pkx data hash data/train --json",
    run: (context, [path = ""], options) =>
      tellOf(context, options, (datasets, settings) => datasets.hash(resolve(path), settings)),
  });
  const status = inRepo(data.command("status"))
    .description("compare what is recorded with workspace and cache; exits 1 when something differs")
    .argument("[targets...]", TARGETS);
  commands.define<RepoOption>(status, {
    examples: "pkx data status\npkx data status data/train",
    run: (context, targets, options) => showStatus(context, named(targets), options),
  });
  const push = inRepo(data.command("push"))
    .description("bring what a remote lacks there; goes on where an earlier push ended")
    .argument("[targets...]", `${TARGETS.slice(0, -1)}, or hashes)`)
    .option("-r, --remote <name>", "remote (default: the repository's)");
  commands.define<MoveOptions>(push, {
    examples: "pkx data push\npkx data push data/train --remote storage",
    run: (context, targets, options) =>
      move(context, options, "sent", (datasets, settings) =>
        datasets.push({ ...settings, targets: named(targets), remote: options.remote }),
      ),
  });
  const pull = inRepo(data.command("pull"))
    .description("bring what the cache lacks from a remote, and check it out")
    .argument("[targets...]", TARGETS)
    .option("-r, --remote <name>", "remote (default: the repository's, then all others)")
    .option("-f, --force", "give up unsaved changes of the workspace");
  commands.define<MoveOptions>(pull, {
    examples: "pkx data pull\npkx data pull data/train.dvc",
    run: (context, targets, options) =>
      move(context, options, "fetched or linked", (datasets, settings) =>
        datasets.pull({ ...settings, targets: named(targets), remote: options.remote, force: options.force }),
      ),
  });
  const checkout = inRepo(data.command("checkout"))
    .description("make the workspace hold what is recorded; or, with --to, a path hold the data of a hash")
    .argument("[targets...]", `${TARGETS.slice(0, -1)}; with --to one hash)`)
    .option("-r, --remote <name>", "remote to search (default: the repository's, then all others)")
    .option("-f, --force", "give up unsaved changes of the workspace")
    .option("--to <path>", "where the data of a hash goes");
  commands.define<MoveOptions>(checkout, {
    examples: "pkx data checkout\npkx data checkout 5d41402abc4b2a76b9719d911017c592.dir --to /tmp/train",
    run: (context, targets, options) =>
      move(context, options, "fetched or linked", (datasets, settings) =>
        datasets.checkout({
          ...settings,
          ...(options.to === undefined
            ? { targets: named(targets) }
            : { hash: targets.join(" "), path: resolve(options.to) }),
          remote: options.remote,
          force: options.force,
        }),
      ),
  });
}

function inRepo(command: Command): Command {
  return command.option("--repo <dir>", "folder of the repository, or one in it", ".");
}

/** Paths are from here, not from the repository's root; what lies nowhere here may be a stage or a hash. */
function named(targets: readonly string[]): string[] {
  return targets.map((target) => {
    const path = resolve(target);
    return target.includes("/") || existsSync(path) || existsSync(`${path}.dvc`) ? path : target;
  });
}
