/**
 * The npm package of the TypeScript client: JavaScript with the wire contract (@pipekit/proto) in it, and declarations of
 * both. It depends on the daemon of its own version, so that one install is the whole set-up.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import { inStage, manifestOf, ROOT, run } from "./tree.ts";

const SOURCES = "clients/typescript/src";
const ENTRIES = ["index", "folders"];

/** Makes it in the folder `out`. */
export function packClient(out: string): Promise<string> {
  return inStage(async (stage) => {
    const manifest = clientManifest();
    const dist = join(stage, "dist");
    await Promise.all([bundleClient(dist, Object.keys(manifest.dependencies)), declareClient(dist)]);
    writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    cpSync(join(ROOT, "clients/typescript/README.md"), join(stage, "README.md"));
    cpSync(join(ROOT, "LICENSE"), join(stage, "LICENSE"));
    return run("npm", ["pack", "--pack-destination", out], stage);
  });
}

function clientManifest() {
  const { name, version, description, license, dependencies } = manifestOf("clients/typescript");
  const proto = manifestOf("proto");
  const { [proto.name]: _, ...own } = dependencies ?? {};
  const daemon = manifestOf("daemon");
  const entry = (file: string) => ({
    types: `./dist/${SOURCES}/${file}.d.ts`,
    default: `./dist/${file}.js`,
  });
  return {
    ...{ name, version, description, license },
    type: "module",
    engines: { node: ">=20" },
    exports: {
      ".": entry("index"),
      "./folders": entry("folders"),
      "./package.json": "./package.json",
    },
    files: ["dist"],
    sideEffects: false,
    dependencies: {
      ...own,
      "@bufbuild/protobuf": proto.dependencies?.["@bufbuild/protobuf"] ?? "",
      [daemon.name]: daemon.version,
    },
  };
}

async function bundleClient(dist: string, dependencies: readonly string[]): Promise<void> {
  await build({
    entryPoints: Object.fromEntries(ENTRIES.map((name) => [name, join(ROOT, SOURCES, `${name}.ts`)])),
    outdir: dist,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: dependencies.flatMap((name) => [name, `${name}/*`]),
    legalComments: "none",
    absWorkingDir: ROOT,
    logLevel: "warning",
  });
}

/** Declarations keep the tree's folders; what they say of the wire contract is found beside them. */
async function declareClient(dist: string): Promise<void> {
  await inStage(async (stage) => {
    const config = join(stage, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      emitDeclarationOnly: true,
      declaration: true,
      rootDir: ROOT,
      outDir: dist,
      typeRoots: [join(ROOT, "node_modules/@types")],
    };
    // Named itself: tsc declares nothing of what it finds by way of node_modules.
    const proto = join(ROOT, "proto/index.ts");
    const files = [...ENTRIES.map((name) => join(ROOT, SOURCES, `${name}.ts`)), proto];
    const text = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: [], files };
    writeFileSync(config, JSON.stringify(text));
    await run(join(ROOT, "node_modules/.bin/tsc"), ["-p", config]);
  });
  for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".d.ts")) continue;
    const proto = relative(dirname(path), "proto/index.js");
    const found = readFileSync(join(dist, path), "utf8");
    const fitting = found
      .replaceAll(/(from |import\()"(\.[^"]*)\.ts"/g, '$1"$2.js"')
      .replaceAll(/(from |import\()"@pipekit\/proto"/g, `$1"${proto}"`);
    writeFileSync(join(dist, path), fitting);
  }
}
