import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hydraReader } from "@pipekit/adapters/hydra";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { pkx } from "../support/terminal.ts";
import { PYTHON } from "./real-omegaconf.ts";

const ENV = { APP_PLACE: "here", APP_STEPS: "7", APP_API_TOKEN: "hunter2" };
const OVERRIDES = ["lr=0.1", "model.base=24", "+extra=[1,2]", "+note='it: is'"];
const never = new AbortController().signal;

let home: string;
let output: string;
/** The config as the app saw it. */
let seen: { [name: string]: unknown };

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-hydra-"));
  output = join(home, "outputs/run 1");
  const script = join(import.meta.dirname, "app/train.py");
  const { stdout, stderr, status } = spawnSync(PYTHON, [script, ...OVERRIDES, `hydra.run.dir='${output}'`], {
    cwd: home,
    env: { ...process.env, ...ENV },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  seen = JSON.parse(stdout.trim());
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

const read = (folder: string, env: { [name: string]: string } = ENV) =>
  hydraReader.readRun({ folder, env }, never);

describe("the folder of a real run", () => {
  test("gives the config that the app saw, but for secrets and what only the app knows", async () => {
    const run = await read(output);
    const kept = {
      token: "${oc.env:APP_API_TOKEN,none}",
      url: "https://u:${token}@host",
      doubled: "${times:${data.batch},2}",
      began: "${now:%Y-%m-%d}",
    };
    expect(JSON.parse(run.configJson)).toEqual({ ...seen, ...kept });
    expect(seen).toMatchObject({
      doubled: 64,
      data: { root: "/data/digits", steps: 7 },
      out: `${output}/weights`,
    });
    expect(run.problems.map(({ code, path, isError }) => [code, path, isError]).sort()).toEqual([
      ["resolver", "began", false],
      ["resolver", "doubled", false],
      ["secret", "token", false],
      ["secret", "url", false],
    ]);
    expect(JSON.stringify(run)).not.toContain("hunter2");
    expect(run).toMatchObject({
      jobName: "train",
      configName: "config",
      version: expect.stringMatching(/^1\./),
    });
    expect(run.overrides).toEqual(OVERRIDES);
  });

  test("is found by its own path, too; variables that are not given are not set", async () => {
    const run = await read(join(output, ".hydra"), {});
    const found = run.problems.filter(({ isError }) => isError).map(({ path, message }) => [path, message]);
    expect(found).toEqual([
      ["data.steps", "`data.steps` reads the variable `APP_STEPS`, which is not set."],
      ["data.names[1]", "`data.names[1]` reads the variable `APP_PLACE`, which is not set."],
    ]);
    expect(JSON.parse(run.configJson).data.names[1]).toBe("${oc.env:APP_PLACE}");
  });
});

describe("a folder that cannot be read", () => {
  /** A copy of the run with another config.yaml. */
  function altered(name: string, change: (folder: string) => void): string {
    const folder = join(home, name);
    cpSync(join(output, ".hydra"), join(folder, ".hydra"), { recursive: true });
    change(join(folder, ".hydra"));
    return folder;
  }

  interface Fault {
    readonly kind: string;
    readonly message?: RegExp;
    readonly field?: RegExp;
  }

  test.each<[string, () => string, Fault]>([
    ["relative", () => "outputs", { kind: "argument", field: /^folder$/ }],
    ["absent", () => join(home, "nowhere"), { kind: "unreadable", message: /holds no .hydra\/config.yaml/ }],
    [
      "no YAML",
      () => altered("no-yaml", (folder) => writeFileSync(join(folder, "config.yaml"), "a: 1\nb: [")),
      { kind: "config", message: /config\.yaml, line 2, column 5/ },
    ],
    [
      "duplicate",
      () => altered("twice", (folder) => writeFileSync(join(folder, "config.yaml"), "m:\n  a: 1\n  a: 2")),
      {
        kind: "config",
        message: /config\.yaml, line 3, column 3: `m\.a` stands twice/,
        field: /config\.yaml: m\.a$/,
      },
    ],
    [
      "list",
      () => altered("list", (folder) => writeFileSync(join(folder, "config.yaml"), "- a")),
      { kind: "config", message: /holds a list/ },
    ],
    [
      "bytes",
      () =>
        altered("bytes", (folder) => writeFileSync(join(folder, "hydra.yaml"), Buffer.from([0xff, 0xfe]))),
      { kind: "config", message: /hydra\.yaml is no UTF-8 text/ },
    ],
    [
      "folder as a file",
      () =>
        altered("folder", (folder) => {
          rmSync(join(folder, "config.yaml"));
          mkdirSync(join(folder, "config.yaml"));
        }),
      { kind: "unreadable", message: /config\.yaml is no file/ },
    ],
  ])("%s", async (_name, make, { kind, message = /./, field = /./ }) => {
    await expect(read(make())).rejects.toMatchObject({
      kind,
      message: expect.stringMatching(message),
      field: expect.stringMatching(field),
      mend: expect.stringMatching(/\.$/),
    });
  });

  test("without hydra.yaml the config is still told", async () => {
    const folder = altered("bare", (inner) => {
      rmSync(join(inner, "hydra.yaml"));
      rmSync(join(inner, "overrides.yaml"));
    });
    const run = await read(folder);
    expect(run).toMatchObject({ jobName: "", configName: "", version: "", overrides: [] });
    expect(JSON.parse(run.configJson)).toMatchObject({ lr: 0.1, choice: "${hydra:runtime.choices.model}" });
  });
});

describe("through a daemon", () => {
  let daemon: TestDaemon;
  const run = (...args: string[]) => pkx(args, { env: { ...daemon.clientEnv, ...ENV } });

  beforeAll(async () => {
    daemon = await startDaemon();
  });
  afterAll(() => daemon?.stop());

  test("ConfigService answers, with typed failures", async () => {
    await using client = await connect({ env: daemon.clientEnv });
    const { resolvedJson, nodes } = await client.configs.parse("a: 1\nb: ${a}", {});
    expect([resolvedJson, nodes.length, nodes[2]?.resolvedJson]).toEqual(['{"a": 1, "b": 1}', 3, "1"]);
    const { configJson } = await client.configs.readRun(output, { env: ENV });
    expect(JSON.parse(configJson)).toMatchObject({ lr: 0.1, name: seen["name"] });
    const broken = join(home, "no-yaml");
    await expect(client.configs.readRun(broken)).rejects.toMatchObject({ code: "INVALID_CONFIG" });
    await expect(client.configs.readRun(join(home, "none"))).rejects.toMatchObject({
      code: "ARTIFACT_UNREADABLE",
    });
    await expect(client.configs.readRun("none")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(client.configs.parse("a: 1", { hydraJson: "5" })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("pkx hydra check tells places and exits with 1 for an error", async () => {
    const file = join(home, "wrong.yaml");
    writeFileSync(file, "a: ${nope}\nb: ???\n");
    expect(await run("hydra", "check", file)).toMatchObject({
      code: 1,
      out: [
        `${file}:1:4: error interpolation: \`a\` points to \`nope\`, which is not there.`,
        "  Correct the key, or add it.",
        `${file}:2:4: note missing: \`b\` is \`???\`: a value must be given.`,
        "  Give it a value in an override or a config.",
        `1 error in ${file}.`,
        "",
      ].join("\n"),
    });
    const { code, out } = await run("hydra", "check", join(output, ".hydra/config.yaml"), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ errors: 0, config: { lr: 0.1 } });
    expect(await run("hydra", "check", join(home, "none.yaml"))).toMatchObject({ code: 2 });
  });

  test("pkx hydra show prints the config of a run, without its secrets", async () => {
    const { code, out } = await run("hydra", "show", output);
    expect(code).toBe(0);
    expect(out).toMatch(/^job +train\nconfig +config\nhydra +1\..*\noverrides +lr=0\.1 model\.base=24 /);
    expect(out).toContain('"lr": 0.1');
    expect(out).not.toContain("hunter2");
    const shown = JSON.parse((await run("hydra", "show", output, "--json")).out);
    expect(shown).toMatchObject({ jobName: "train", config: { lr: 0.1 }, overrides: OVERRIDES });
    expect(await run("hydra", "show", join(home, "none"))).toMatchObject({ code: 3 });
  });

  test("a text of megabytes does not keep the daemon from answering", async () => {
    await using client = await connect({ env: daemon.clientEnv });
    const text = readFileSync(join(output, ".hydra/config.yaml"), "utf8");
    const large = `${text}\nmany:\n${"  - some text\n".repeat(60_000)}`;
    let parsed = false;
    const parsing = client.configs.parse(large, { env: ENV }).then((answer) => {
      parsed = true;
      return answer;
    });
    // Answered while the large one is read.
    await client.configs.parse("a: 1");
    expect(parsed).toBe(false);
    expect((await parsing).nodes.length).toBeGreaterThan(60_000);
  });
});
