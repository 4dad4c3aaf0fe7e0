/**
 * Makes the bundle: the daemon and its command line as a folder of plain .mjs files that runs on any Node 24 from
 * anywhere, in daemon/dist/ and, for the Python wheel, in the Python client's package; `--out DIR` makes it elsewhere.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildPage, PAGE_PACKAGES } from "@pipekit/page/build";
import { build, type Metafile, type Plugin } from "esbuild";
import { PROGRAM_FILE, programOf } from "./program/content.ts";

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

/** What the bundle is made of. */
export interface Bundle {
  /** Path within it to content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Folders of the packages from outside that are in it, from the root of the tree. */
  readonly packages: readonly string[];
}

/** Makes the bundle in memory. */
export async function buildBundle(): Promise<Bundle> {
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
  const packages = packagesOf(result.metafile);
  files.set("LICENSES.txt", Buffer.from(licenses(packages)));
  files.set(PROGRAM_FILE, Buffer.from(JSON.stringify(programOf(files))));
  return { files, packages: [...packages, ...PAGE_PACKAGES.map((name) => `node_modules/${name}`)].sort() };
}

function packagesOf({ inputs }: Metafile): readonly string[] {
  const packages = new Set<string>();
  for (const input of Object.keys(inputs)) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
    if (found !== undefined) packages.add(found);
  }
  return [...packages].sort();
}

/** The licence texts of packages. */
function licenses(packages: readonly string[]): string {
  const texts = packages.map((folder) => {
    const file = readdirSync(join(ROOT, folder)).find((name) => /^licen[cs]e/i.test(name));
    const text = file === undefined ? licenceName(folder) : readFileSync(join(ROOT, folder, file), "utf8");
    return `${folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length)}\n\n${text.trim()}\n`;
  });
  return texts.join(`\n${"-".repeat(78)}\n`);
}

function licenceName(folder: string): string {
  const { license } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  return `Licence: ${license}. Its package brings no text.`;
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Makes a folder hold exactly these files. Left alone when it does: a running daemon loads from it later. */
export function writeBundle(folder: string, files: ReadonlyMap<string, Uint8Array>): boolean {
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

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: "string" } } });
  const targets = values.out === undefined ? DEFAULT_TARGETS : [resolve(values.out)];
  const { files } = await buildBundle();
  const kilobytes = Math.round([...files.values()].reduce((sum, { length }) => sum + length, 0) / 1000);
  for (const target of targets) {
    const changed = writeBundle(target, files);
    console.log(
      `${relative(ROOT, target)}: ${files.size} files, ${kilobytes} kB${changed ? "" : ", unchanged"}`,
    );
  }
}
