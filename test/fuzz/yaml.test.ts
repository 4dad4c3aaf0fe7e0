/**
 * Files of settings that people and other tools write: whatever stands in them, they are read or refused typed, soon, and
 * in little memory.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigFault } from "@pipekit/adapters/config";
import { DatasetFault } from "@pipekit/adapters/dataset";
import { SourceError } from "@pipekit/adapters/history";
import { parseConfig } from "@pipekit/adapters/hydra";
import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../adapters/dvc/config.ts";
import { readRecords } from "../../adapters/dvc/records.ts";
import { stageOutputs } from "../../adapters/dvc/stages.ts";
import { ExperimentMeta, RunMeta, yamlOf } from "../../adapters/mlflow/importing/meta-file.ts";
import { readPrincipals } from "../../daemon/access/principals-file.ts";
import { loadConfig } from "../../daemon/config/index.ts";
import { compactText, parseJson } from "../../daemon/content/index.ts";
import { yamlText } from "../../daemon/registry/yaml.ts";
import { mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { hostileYaml } from "./hostile-yaml.ts";
import { soon } from "./patience.ts";

const options = { timeout: PATIENCE_MS };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-fz-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a reader; what it throws must be of its own class. */
async function readOr<T>(
  Fault: abstract new (...args: never[]) => Error,
  what: string,
  read: () => T | Promise<T>,
): Promise<T | undefined> {
  return soon(what, async () => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      expect(error.message.length).toBeLessThan(3000);
      return undefined;
    }
  });
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
}

const CONFIG = [
  "idle_exit_s: 60\nlog_level: debug\ntrackers:\n  team: [mlflow:http://h/e, 'tensorboard:///tmp/x']\n",
  "otlp_endpoint: http://h:4318\notlp_headers: {authorization: env:X}\nmetrics_listen: 127.0.0.1:9\ndisk_quota_gb: 0.5\n",
  "listen: 0.0.0.0:1\ntls_cert: /c\ntls_key: /k\nprincipals_file: /p\nbridge: nats://h/S\n",
];

test("the daemon's config", options, async () => {
  await fuzz("config.yaml", 25, hostileYaml(CONFIG), async (text) => {
    const config = file("config.yaml", text);
    await readOr(PipekitError, "the config", () => loadConfig({ config }, { HOME: folder }));
  });
});

const PRINCIPALS = [
  "principals:\n  - name: t\n    token: env:TOKEN\n    roles: [{role: writer, runs: ['lab-*']}]\n",
  "principals:\n  - {name: a, certificate: ['uri:spiffe://x', cn:y], roles: [{role: admin}], quota: {bytes_per_minute: 5}}\n",
];

test("principals", options, async () => {
  const sources = { env: { TOKEN: "t".repeat(40) }, seen: () => undefined };
  await fuzz("principals", 25, hostileYaml(PRINCIPALS), async (text) => {
    const path = file("principals.yaml", text);
    await readOr(PipekitError, "the principals", () => readPrincipals(path, sources));
  });
});

const HYDRA = [
  "defaults:\n  - _self_\n  - db: mysql\ndb: {host: localhost, port: 1}\nurl: ${db.host}:${db.port}\n",
  "a: ${oc.env:HOME}\nb: '${oc.decode:\"[1,2]\"}'\nc: ???\n_target_: a.b.C\nlr: 1e-3\n",
  "x: ${oc.select:y,3}\ny: {z: ${.w}, w: [1, ${..x}]}\n",
];

test("configs of Hydra", options, async () => {
  await fuzz("hydra", 30, hostileYaml(HYDRA), async (text) => {
    await readOr(ConfigFault, "a config of Hydra", () =>
      parseConfig({ text, env: { HOME: "h" }, hydraJson: "" }),
    );
  });
});

const DVC = [
  "outs:\n- md5: f97c5d29941bfb1b2fdab0874906ab82\n  size: 3\n  hash: md5\n  path: f\n",
  "schema: '2.0'\nstages:\n  train:\n    cmd: a\n    outs:\n    - path: m\n      md5: f97c5d29941bfb1b2fdab0874906ab82.dir\n      nfiles: 2\n",
  "stages:\n  train:\n    foreach: [1]\n    do:\n      wdir: w\n      outs: ['${item}.${x}', {m: {cache: false, remote: r}}]\n",
];

test("files of DVC", options, async () => {
  for (const name of ["f.dvc", "dvc.lock", "dvc.yaml"]) {
    await fuzz(name, 12, hostileYaml(DVC), async (text) => {
      const path = file(name, text);
      await readOr(DatasetFault, name, () => readRecords(path));
      const stages = await readOr(DatasetFault, name, () => stageOutputs(path));
      const owned = `${"a".repeat(200)}/${"é".repeat(20)}`;
      await soon("matching names", () => [
        stages?.of("train", owned),
        stages?.owner(join(folder, owned), folder),
      ]);
    });
  }
});

const template = fc
  .tuple(
    fc.constantFrom("${a}", "${a}a", "a${", "${}b"),
    fc.constantFrom(1, 3, 40, 2000),
    fc.constantFrom("", "b", "a"),
  )
  .map(([part, times, end]) => part.repeat(times) + end);

test("names that stages make by templates", options, async () => {
  const names = fc.tuple(template, fc.constantFrom("a", "ab", "a/b"), fc.constantFrom(1, 60, 1000));
  await fuzz("templates", 60, names, async ([written, part, times]) => {
    const path = file("dvc.yaml", `stages: {t: {outs: [${JSON.stringify(written)}]}}\n`);
    const stages = await stageOutputs(path);
    await soon("a name", () => stages.of("t", part.repeat(times)));
  });
});

const INI = [
  "[core]\n    remote = storage\n    autostage = true\n['remote \"storage\"']\n    url = s3://b/p\n    access_key_id = x # y\n",
  "[cache]\ntype = reflink,copy\ndir = ../c\nshared = group\n",
];
const ini = fc.oneof(
  mutatedText(fc.constantFrom(...INI)),
  fc
    .tuple(
      fc.constantFrom("[", "['", "a=", 'a = "', "'", ",", " ", "[ ", "a='b',", "\t"),
      fc.constantFrom(3, 1000, 30_000),
    )
    .map(([part, times]) => part.repeat(times)),
);

test("settings of DVC", options, async () => {
  const dvc = join(folder, "d/.dvc");
  mkdirSync(dvc, { recursive: true });
  await fuzz("dvc config", 150, ini, async (text) => {
    writeFileSync(join(dvc, "config"), text);
    await readOr(DatasetFault, "settings", () =>
      readConfig(dvc, { DVC_SYSTEM_CONFIG_DIR: folder, XDG_CONFIG_HOME: folder }, folder),
    );
  });
});

const META = [
  "artifact_location: file:///x\nexperiment_id: '1'\nlifecycle_stage: active\nname: e\n",
  "run_id: 0123\nrun_name: r\nstatus: 3\nstart_time: 1\nend_time: 2\nlifecycle_stage: active\n",
];

test("meta.yaml of MLflow", options, async () => {
  await fuzz("meta.yaml", 25, hostileYaml(META), async (text) => {
    const path = file("meta.yaml", text);
    const value = await readOr(SourceError, "meta.yaml", () => yamlOf(path));
    for (const schema of [ExperimentMeta, RunMeta]) schema.safeParse(value);
  });
});

test("operator.yaml says what its JSON says", options, async () => {
  const values = fc
    .jsonValue({ noUnicodeString: false, maxDepth: 4 })
    .map((value) => JSON.stringify({ config: value }));
  await fuzz("operator.yaml", 300, values, async (text) => {
    const value = await readOr(PipekitError, "JSON", () => parseJson(text));
    if (value === undefined) return;
    expect(compactText(value)).toBe(text);
    expect(parse(yamlText(value), { maxAliasCount: 0 })).toEqual(JSON.parse(text));
  });
});
