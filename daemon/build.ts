/**
 * Makes the bundle: the daemon and its command line as a folder of plain .mjs files that runs on any Node 24 from
 * anywhere, in daemon/dist/ and, for the Python wheel, in the Python client's package; `--out DIR` makes it elsewhere.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildPage } from "@pipekit/page/build";
import { build, type Metafile, type Plugin } from "esbuild";

const ROOT = resolve(import.meta.dirname, "..");
const MODULES = join(ROOT, "node_modules");
const DEFAULT_TARGETS = [
  join(import.meta.dirname, "dist"),
  join(ROOT, "clients/python/src/pipekit_experiment/_daemon"),
];

/** .proto files that health and reflection read when they are first asked, by their place in the bundle. */
const PROTO_FOLDERS = [
  { from: join(ROOT, "proto/pipekit"), to: "proto/pipekit" },
  { from: join(MODULES, "grpc-health-check/proto/health"), to: "proto/health" },
  { from: join(MODULES, "@grpc/reflection/build/proto/grpc"), to: "proto/grpc" },
];

/** CommonJS packages ask for `require`; two of them find their .proto files from where they lie. */
const BANNER = [
  'import { createRequire as __createRequire } from "node:module";',
  "const require = __createRequire(import.meta.url);",
  'const __packageDirname = import.meta.dirname + "/package/src";',
].join("\n");

/** The command, and the worker threads: files of their own, under the names that their rooms start them by. */
const ENTRIES = {
  pkx: join(import.meta.dirname, "main.ts"),
  "journal-worker": join(import.meta.dirname, "journal/worker.ts"),
  "config-worker": join(ROOT, "adapters/hydra/worker.ts"),
  "dvc-hash-worker": join(ROOT, "adapters/dvc/hash-worker.ts"),
};

const adjustSources: Plugin = {
  name: "adjust-sources",
  setup(plugin) {
    // The namespace object `z` keeps all of zod, locales too: half a megabyte of code and 10 MB of memory.
    plugin.onLoad({ filter: /\/(daemon|adapters|clients\/typescript)\/.*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(
        /^import \{ z \} from "zod";$/m,
        'import * as z from "zod";',
      ),
      loader: "ts",
    }));
    plugin.onLoad({ filter: /\/(grpc-health-check|@grpc\/reflection)\/build\/.*\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replaceAll("__dirname", "__packageDirname"),
      loader: "js",
    }));
  },
};

/** Every file of the bundle: path within it to content. */
async function bundle(): Promise<Map<string, Uint8Array>> {
  const result = await build({
    entryPoints: ENTRIES,
    outdir: "out",
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outExtension: { ".js": ".mjs" },
    // Identifiers stay as they are: a stack trace from a user must be readable.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: "none",
    banner: { js: BANNER },
    plugins: [adjustSources],
    // The page lies ready in the bundle; what builds it is left out.
    external: ["@pipekit/page/build"],
    absWorkingDir: ROOT,
    logLevel: "warning",
  });
  const files = new Map<string, Uint8Array>();
  for (const { path, contents } of result.outputFiles) files.set(relative(join(ROOT, "out"), path), contents);
  for (const { from, to } of PROTO_FOLDERS) {
    for (const file of filesIn(from)) files.set(join(to, relative(from, file)), readFileSync(file));
  }
  for (const [name, content] of await buildPage()) files.set(join("page", name), content);
  files.set("LICENSES.txt", Buffer.from(licenses(result.metafile)));
  return files;
}

/** The licence texts of every package that went into the bundle. */
function licenses(metafile: Metafile): string {
  const packages = new Set<string>();
  for (const input of Object.keys(metafile.inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (found !== undefined) packages.add(found);
  }
  const texts = [...packages].sort().map((folder) => {
    const file = readdirSync(join(ROOT, folder)).find((name) => /^licen[cs]e/i.test(name));
    const text = file === undefined ? "See its package." : readFileSync(join(ROOT, folder, file), "utf8");
    return `${folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length)}\n\n${text.trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(78)}\n`);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Makes a folder hold exactly these files. Left alone when it does: a running daemon loads from it later. */
function write(folder: string, files: ReadonlyMap<string, Uint8Array>): boolean {
  const present = existsSync(folder) ? filesIn(folder) : [];
  const fits = (file: string) => {
    const wanted = files.get(relative(folder, file));
    return wanted !== undefined && readFileSync(file).equals(wanted);
  };
  if (present.length === files.size && present.every(fits)) return false;
  rmSync(folder, { recursive: true, force: true });
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  chmodSync(join(folder, "pkx.mjs"), 0o755);
  return true;
}

const { values } = parseArgs({ options: { out: { type: "string" } } });
const targets = values.out === undefined ? DEFAULT_TARGETS : [resolve(values.out)];
const files = await bundle();
const kilobytes = Math.round([...files.values()].reduce((sum, { length }) => sum + length, 0) / 1000);
for (const target of targets) {
  const changed = write(target, files);
  console.log(
    `${relative(ROOT, target)}: ${files.size} files, ${kilobytes} kB${changed ? "" : ", unchanged"}`,
  );
}
