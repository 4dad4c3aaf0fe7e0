/**
 * `npm run package`: everything that is published, in dist/: the Python wheel and sdist, the npm packages of client and
 * daemon, and the bills of materials. `--out DIR` makes it elsewhere. Throws when a licence was not looked at.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildBundle } from "../build.ts";
import { checkLicences, npmMaterials, pythonMaterials } from "./materials.ts";
import { packClient } from "./npm-client.ts";
import { packDaemon } from "./npm-daemon.ts";
import { packPython } from "./python.ts";
import { writeBoms } from "./sbom.ts";
import { ROOT } from "./tree.ts";

/** What an earlier run has made; what else lies there (the single executable, the extension) stays. */
const MADE = /^pipekit[-_](experiment|daemon)(-.*(\.whl|\.tar\.gz|\.tgz)|\.cdx\.json)$/;

async function makePackages(out: string): Promise<void> {
  mkdirSync(out, { recursive: true });
  for (const name of readdirSync(out)) if (MADE.test(name)) rmSync(join(out, name));
  const [bundle, npm, python] = await Promise.all([buildBundle(), npmMaterials(), pythonMaterials()]);
  checkLicences(npm, python);
  await Promise.all([packPython(bundle, out), packDaemon(bundle, out), packClient(out)]);
  writeBoms(npm, python, bundle.packages, out);
}

const { values } = parseArgs({ options: { out: { type: "string", default: join(ROOT, "dist") } } });
const out = resolve(values.out);
await makePackages(out);
for (const name of readdirSync(out).filter((file) => MADE.test(file))) {
  console.log(
    `${relative(process.cwd(), join(out, name))}: ${Math.round(statSync(join(out, name)).size / 1000)} kB`,
  );
}
