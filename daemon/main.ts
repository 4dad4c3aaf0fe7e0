#!/usr/bin/env node
/** `pkx`: the daemon (`pkx serve`) and the commands that talk to it. Loads only what the command needs. */
import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

const { XDG_CACHE_HOME } = process.env;
const cacheBase =
  XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), ".cache");
// In the user's own folder: the default is shared by all users of /tmp.
enableCompileCache(join(cacheBase, "pipekit-experiment/code"));

const [command, ...rest] = process.argv.slice(2);
if (command === "serve") {
  const { serve } = await import("./serve.ts");
  await serve(rest);
} else if (command === "health") {
  const { health } = await import("./health.ts");
  process.exitCode = await health(rest);
} else {
  const { runCli } = await import("./cli/index.ts");
  process.exitCode = await runCli(process.argv.slice(2));
}
