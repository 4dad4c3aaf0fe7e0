/** The npm packages, installed into an empty folder, and used. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type Made, ROOT, run } from "./made.ts";

const BIN = join(ROOT, "node_modules/.bin");
/** What the README of the client shows, and what it leads to. */
const USE = `
import { connect, PipekitError, VERSION } from "@pipekit/experiment";
import { stateFolder } from "@pipekit/experiment/folders";
const client = await connect();
await client.withRun({ name: "first" }, async (run) => run.log({ loss: 0.5 }, 0));
const registry = client.registry();
const operator = { module: "m", class: "C", config: {} };
const { model } = await registry.store({ operator, weights: new Uint8Array([1, 2, 3]), name: "candidate" });
await registry.tag(model.hash, "production", { reason: "the first one" });
const weights = await registry.loadWeights("production");
const missing = await registry.resolve("nowhere").catch((error) => error instanceof PipekitError && error.code);
const runs = (await client.status()).runs;
await client.shutdown();
client.close();
console.log(JSON.stringify({ version: VERSION, weights: [...weights], runs, missing, folder: stateFolder(process.env) }));
`;

const TYPED = `
import { type Client, connect, type Model, PipekitError, type TagMove } from "@pipekit/experiment";
import { stateFolder } from "@pipekit/experiment/folders";
const client: Client = await connect();
export const folder: string = stateFolder(process.env);
await client.withRun({ name: "first" }, async (run) => run.log({ loss: 1 }, 0));
export async function* moves(signal: AbortSignal): AsyncGenerator<TagMove> {
  yield* client.registry().watchTag("production", { signal });
}
export const hashOf = (model: Model): string => model.hash;
export const isConflict = (error: unknown) => error instanceof PipekitError && error.code === "TAG_CONFLICT";
// @ts-expect-error a number is no name
await client.withRun({ name: 3 }, async () => undefined);
`;

const TSCONFIG = {
  compilerOptions: {
    ...{ module: "nodenext", target: "es2024", lib: ["es2024", "esnext.disposable"], strict: true },
    ...{ skipLibCheck: false, noEmit: true, types: ["node"], typeRoots: [join(ROOT, "node_modules/@types")] },
  },
  files: ["typed.ts"],
};

/** A Node of PATH on which the client must run and the daemon cannot. */
function olderNode(): string | undefined {
  const folders = [...new Set((process.env["PATH"] ?? "").split(delimiter))];
  return folders
    .map((each) => join(each, "node"))
    .find((path) => {
      const told = spawnSync(path, ["--version"], { encoding: "utf8" }).stdout ?? "";
      const major = Number(/^v(\d+)\./.exec(told)?.[1]);
      return major >= 20 && major < 24;
    });
}

/** The tests of what was made; `home` is a folder for them. */
export function testNpm(made: () => Made, home: string): void {
  const folder = join(home, "app");
  /** The tree's Node 24, and the programs of the system that npm needs. */
  const env = {
    PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
  };

  beforeAll(async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), '{ "type": "module", "private": true }');
    const flags = ["--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", ["install", ...flags, made().client, made().daemon], {
      cwd: folder,
      // How this machine reaches its registry is in its own settings.
      env: { ...process.env, PATH: env.PATH },
    });
  });

  test("a program connects, which starts the daemon, logs, stores, resolves and loads", async () => {
    writeFileSync(join(folder, "use.js"), USE);
    const told = await run(process.execPath, ["use.js"], { cwd: folder, env });
    const { version } = JSON.parse(readFileSync(join(ROOT, "clients/typescript/package.json"), "utf8"));
    expect(JSON.parse(told)).toMatchObject({
      version,
      weights: [1, 2, 3],
      runs: 1,
      missing: "REF_NOT_FOUND",
      folder: env.PKX_STATE_DIR,
    });
  });

  test("the client runs on the oldest Node that it promises, beside a daemon of a newer one", async (context) => {
    const older = olderNode();
    if (older === undefined) {
      console.warn(
        "SKIPPED: no Node between 20 and 23 is on PATH: the TypeScript client was not tried on one.",
      );
      return context.skip();
    }
    writeFileSync(join(folder, "older.js"), USE);
    const told = await run(older, ["older.js"], { cwd: folder, env: { ...env, PKX_NODE: process.execPath } });
    expect(JSON.parse(told)).toMatchObject({ weights: [1, 2, 3], missing: "REF_NOT_FOUND" });
  });

  test("pkx is there", async () => {
    const told = await run("npx", ["--no-install", "pkx", "--version"], { cwd: folder, env });
    const { version } = JSON.parse(readFileSync(join(ROOT, "daemon/package.json"), "utf8"));
    expect(told.trim()).toBe(version);
  });

  test("a strict TypeScript program that checks its libraries compiles against it", async () => {
    writeFileSync(join(folder, "typed.ts"), TYPED);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    await run(join(BIN, "tsc"), ["-p", folder]);
  });

  test("publint and attw find nothing", async () => {
    for (const file of [made().client, made().daemon]) {
      await run(join(BIN, "publint"), ["run", file, "--strict"]);
      await run(join(BIN, "attw"), [file, "--profile", "esm-only"]);
    }
  });
}
