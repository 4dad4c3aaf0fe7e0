/** The npm package of the daemon: its bundle, with the command `pkx`. It depends on nothing. */
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bundle, writeBundle } from "../build.ts";
import { inStage, manifestOf, ROOT, run } from "./tree.ts";

/** Makes it in the folder `out`. */
export function packDaemon({ files }: Bundle, out: string): Promise<string> {
  const { name, version, description, license } = manifestOf("daemon");
  const manifest = {
    ...{ name, version, description, license },
    type: "module",
    engines: { node: ">=24" },
    bin: { pkx: "pkx.mjs" },
    exports: { "./pkx.mjs": "./pkx.mjs", "./package.json": "./package.json" },
  };
  return inStage((stage) => {
    writeBundle(stage, files);
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    cpSync(join(ROOT, "daemon/README.md"), join(stage, "README.md"));
    cpSync(join(ROOT, "LICENSE"), join(stage, "LICENSE"));
    return run("npm", ["pack", "--pack-destination", out], stage);
  });
}
