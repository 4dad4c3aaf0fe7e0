#!/usr/bin/env node
/** `pkx`: the daemon (`pkx serve`) and the commands that talk to it. Loads only what the command needs. */
// The whole module: a Node that is too old has not all of it, and would end here without a word of ours.
import * as nodeModule from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { nodeFault } from "./node-version.ts";
import { keepProgram } from "./program/copy.ts";
import { codeFolder } from "./program/folders.ts";

/** Commands that outlive an upgrade of the package that they were started from. */
const LONG: readonly (string | undefined)[] = ["serve", "lsp", "ui", "top"];

const [command, ...rest] = process.argv.slice(2);
const fault = nodeFault(command);
if (fault !== undefined) {
  process.stderr.write(fault);
  process.exit(1);
}
// In the user's own folder: the default is shared by all users of /tmp.
nodeModule.enableCompileCache(codeFolder("code"));

const isBundled = import.meta.url.endsWith(".mjs");
const kept = isBundled && LONG.includes(command) ? keepProgram(import.meta.dirname) : undefined;
if (kept !== undefined) {
  await import(pathToFileURL(join(kept, "pkx.mjs")).href);
} else if (command === "serve") {
  const { serve } = await import("./serve.ts");
  await serve(rest);
} else if (command === "health") {
  const { health } = await import("./health.ts");
  process.exitCode = await health(rest);
} else {
  const { runCli } = await import("./cli/index.ts");
  process.exitCode = await runCli(process.argv.slice(2));
}
