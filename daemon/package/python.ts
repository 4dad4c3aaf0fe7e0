/** The Python packages: an sdist that holds the daemon's bundle, and of that sdist the wheel. */
import { cpSync } from "node:fs";
import { basename, join } from "node:path";
import { type Bundle, writeBundle } from "../build.ts";
import { inStage, ROOT, run } from "./tree.ts";

const PYTHON = join(ROOT, ".venv/bin/python");
const PACKAGE = join(ROOT, "clients/python");
const PARTS = ["pyproject.toml", "README.md", "src"];
/** What was made beside the sources, also a bundle of another day. */
const LEFT_OUT = /^(__pycache__|_daemon|.*\.egg-info)$/;

/** Makes both in the folder `out`; returns what was printed. Needs no network: setuptools is in the environment. */
export function packPython({ files }: Bundle, out: string): Promise<string> {
  return inStage((stage) => {
    for (const part of PARTS) {
      const filter = (path: string) => !LEFT_OUT.test(basename(path));
      cpSync(join(PACKAGE, part), join(stage, part), { recursive: true, filter });
    }
    // The licence of the project stands once, at its root.
    cpSync(join(ROOT, "LICENSE"), join(stage, "LICENSE"));
    writeBundle(join(stage, "src/pipekit_experiment/_daemon"), files);
    // The module's default: the sdist first, then the wheel from the unpacked sdist.
    return run(PYTHON, ["-m", "build", "--no-isolation", "--outdir", out, stage]);
  });
}
