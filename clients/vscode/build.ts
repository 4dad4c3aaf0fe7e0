/**
 * Makes the extension: a folder with what it needs and nothing else (its code, the daemon's bundle, which holds the
 * page, too), and of that pipekit-experiment-VERSION.vsix. Needs no network. Run as a script it fills dist/.
 */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { buildPage } from "@pipekit/page/build";
import { createVSIX } from "@vscode/vsce";
import { build, type Plugin } from "esbuild";

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");

/** Files that are packed as they are. */
const AS_THEY_ARE = ["README.md", "CHANGELOG.md", "media"];

/** Fills a folder: `extension/` and the .vsix beside it. Resolves to the path of the .vsix. */
export async function buildExtension(folder: string): Promise<string> {
  const extension = join(folder, "extension");
  rmSync(extension, { recursive: true, force: true });
  mkdirSync(join(extension, "dist"), { recursive: true });
  for (const name of AS_THEY_ARE) cpSync(join(HERE, name), join(extension, name), { recursive: true });
  // The licence of the project stands once, at its root.
  cpSync(join(ROOT, "LICENSE"), join(extension, "LICENSE"));
  // All that it depends on is in its bundle.
  const {
    dependencies: _,
    devDependencies: __,
    ...manifest
  } = JSON.parse(readFileSync(join(HERE, "package.json"), "utf8"));
  const packed = { ...manifest, files: ["**"] };
  writeFileSync(join(extension, "package.json"), `${JSON.stringify(packed, null, 2)}\n`);
  await Promise.all([bundleExtension(join(extension, "dist")), bundleDaemon(join(extension, "dist/daemon"))]);
  await addPage(join(extension, "dist/daemon/page"));
  const packagePath = join(folder, `${manifest.name}-${manifest.version}.vsix`);
  await createVSIX({ cwd: extension, packagePath, dependencies: false, allowMissingRepository: true });
  return packagePath;
}

/** The namespace object `z` would keep all of zod, with its languages. */
const lessZod: Plugin = {
  name: "less-zod",
  setup(plugin) {
    plugin.onLoad({ filter: /\/(clients\/vscode\/src|proto)\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(
        /^import \{ z \} from "zod";$/m,
        'import * as z from "zod";',
      ),
      loader: "ts",
    }));
  },
};

async function bundleExtension(folder: string): Promise<void> {
  await build({
    entryPoints: [join(HERE, "src/extension.ts")],
    outfile: join(folder, "extension.cjs"),
    bundle: true,
    format: "cjs",
    platform: "node",
    // Node.js of VS Code 1.100, the oldest that is supported.
    target: "node20",
    external: ["vscode"],
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "eof",
    plugins: [lessZod],
    absWorkingDir: ROOT,
    logLevel: "warning",
  });
}

async function bundleDaemon(folder: string): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, "daemon/build.ts"), "--out", folder]);
}

/** The daemon's bundle brings the page along for `pkx ui`; the webview shows the same files. */
async function addPage(folder: string): Promise<void> {
  if (existsSync(join(folder, "page.js"))) return;
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of await buildPage()) writeFileSync(join(folder, path), content);
}

if (import.meta.main) {
  const path = await buildExtension(join(HERE, "dist"));
  console.log(`${relative(ROOT, path)}: ${Math.round(statSync(path).size / 1000)} kB`);
}
