/** State folders as daemons of each journal version left them, put where a daemon of today finds them. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { socketPathOf } from "../../daemon/config/index.ts";
import { temporaryHome } from "../support/daemon.ts";

const FOLDER = resolve(import.meta.dirname, "../golden/state-folders");
const NAME = /^journal-(\d+)\.tar\.gz$/;

/** Journal versions of which there is a folder. */
export const VERSIONS = readdirSync(FOLDER).flatMap((name) => NAME.exec(name)?.[1] ?? []);

const Expected = z.object({
  runs: z.record(z.string(), z.string()),
  models: z.record(z.string(), z.string()),
});
const point = { key: z.string(), step: z.number(), value: z.number(), timestamp: z.number() };
const Tool = z.array(
  z.object({
    mlflowRunId: z.string(),
    runId: z.string(),
    status: z.string(),
    points: z.array(z.object(point)),
    given: z.number(),
  }),
);

/** A folder that was unpacked. */
export interface Golden {
  /** For startDaemon; whoever asked for it removes it. */
  readonly home: string;
  readonly journal: string;
  /** Run ids by name, and hashes of models. */
  readonly expected: z.infer<typeof Expected>;
  /** What the tool held when the folder was left. */
  readonly tool: z.infer<typeof Tool>;
}

export function unpack(version: string): Golden {
  const home = temporaryHome();
  execFileSync("tar", ["-xzf", join(FOLDER, `journal-${version}.tar.gz`), "-C", home]);
  const [state, run] = [join(home, "state"), join(home, "run")];
  mkdirSync(run, { mode: 0o700 });
  const rings = join(home, "rings");
  if (existsSync(rings)) renameSync(rings, socketPathOf(run, state).replace(/sock$/, "rings"));
  const json = (name: string): unknown => JSON.parse(readFileSync(join(home, name), "utf8"));
  return {
    home,
    journal: join(state, "journal.db"),
    expected: Expected.parse(json("expected.json")),
    tool: Tool.parse(json("tool.json")),
  };
}
