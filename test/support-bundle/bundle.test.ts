/** A bundle of a user who has secrets in every place where one may be: none of them is in it. */
import { randomBytes, randomInt } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type Client, connect, SinkState } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Home } from "../doctor/home.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../support/fake-mlflow.ts";
import { freePort } from "../support/free-port.ts";
import { makeProofs } from "../support/remote-daemon.ts";
import { unpacked } from "../support/tar-entries.ts";

const POINT = 1234.56789;

let home: Home;
let canaries: Map<string, string>;

beforeEach(() => {
  home = new Home();
  canaries = new Map();
});
afterEach(() => home.remove());

/** A secret; `where` says in a failure from where it has come. */
function canary(where: string): string {
  const text = `cnry${randomBytes(9).toString("hex")}`;
  canaries.set(where, text);
  return text;
}

/** One that YAML reads as a number. */
function numeral(where: string): string {
  const text = String(randomInt(1e9, 1e10));
  canaries.set(where, text);
  return text;
}

function write(name: string, text: string): string {
  const path = join(home.folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** Secrets in the environment, and in files of other tools. */
function plantAround(): void {
  home.env = {
    ...home.env,
    WANDB_API_KEY: canary("env: named like a secret"),
    OUR_CI_THING: canary("env: named like nothing"),
    HTTPS_PROXY: `http://ej:${canary("env: proxy")}@127.0.0.1:3128`,
    DATABASE_URL: `postgres://ej:${canary("env: url")}@db/x`,
    PKX_TOKEN: canary("env: PKX_TOKEN"),
    PKX_TOKEN_FILE: write("client-token", `${canary("token file of a client")}\n`),
    CLEARML_CONFIG_FILE: write(
      "clearml.conf",
      `api { credentials { "secret_key" = "${canary("clearml.conf")}" } }\n`,
    ),
  };
  write(".netrc", `machine api.wandb.ai\n  login user\n  password ${canary("netrc")}\n`);
  write(".mlflow/credentials", `[mlflow]\nmlflow_tracking_password = ${canary("mlflow credentials")}\n`);
  write(".aws/credentials", `[default]\naws_secret_access_key = ${canary("aws credentials")}\n`);
}

/** The canaries, each as somebody might have logged it. */
function allInOneLine(): string {
  return [...canaries.values()].join(" and ");
}

async function bundle(...options: string[]) {
  const path = join(home.folder, "support.tar.gz");
  rmSync(path, { force: true });
  const { code, out, err } = await home.pkx("support-bundle", path, ...options);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const entries = await unpacked(gunzipSync(readFileSync(path)));
  const files = new Map(entries.map(({ name, body }) => [name.replace("pkx-support/", ""), body.toString()]));
  return { out, files };
}

/** Where a canary is found: name of the file, and where the canary was from. */
function leaks(files: ReadonlyMap<string, string>): string[] {
  const places = [...canaries].flatMap(([where, text]) => {
    const forms = [text, Buffer.from(text).toString("base64").replace(/=+$/, ""), encodeURIComponent(text)];
    return [...files].flatMap(([name, body]) =>
      forms.some((form) => body.includes(form)) ? [`${where} in ${name}`] : [],
    );
  });
  return places;
}

test("without a daemon, with a config that is wrong because it holds secrets", async () => {
  plantAround();
  home.configure(
    [
      `token_file: ${canary("config: token in the place of a file")}`,
      `listen: ${canary("config: in the place of an address")}`,
      `log_level: ${canary("config: in the place of a level")}`,
      `secret_thing: ${canary("config: unknown setting")}`,
      `metrics_token: ${numeral("config: number that is no setting")}`,
      `tls_key: ${numeral("config: number in the place of a file")}`,
      `otlp_headers: {authorization: "Bearer ${canary("config: header")}"}`,
      `trackers: {prod: ["mlflow://ej:${canary("config: password of a spec")}@127.0.0.1/x?token=${canary("config: query of a spec")}", "${canary("config: no spec at all")}"]}\n`,
    ].join("\n"),
  );
  mkdirSync(join(home.state, "logs"), { mode: 0o700 });
  writeFileSync(
    join(home.state, "logs/daemon.log"),
    [
      JSON.stringify({ level: "info", time: "2026-01-01T00:00:00Z", msg: "ready", pid: 1 }),
      JSON.stringify({ level: "warn", msg: `said ${allInOneLine()}`, reason: allInOneLine() }),
      JSON.stringify({
        level: "error",
        msg: "x",
        token: canary("log: field"),
        name: canary("log: name of a run"),
      }),
      JSON.stringify({
        level: "error",
        msg: "x",
        url: `https://x:${canary("log: url")}@h/?k=${canary("log: query")}`,
      }),
      JSON.stringify({
        level: "error",
        msg: "x",
        reason: `param 'p' was "${canary("log: quoted by a tool")}"`,
      }),
      JSON.stringify({
        level: "error",
        msg: "x",
        err: {
          message: `password: ${canary("log: error")}`,
          stack: `E: ${canary("log: stack")}\nsecond ${canary("log: second line")}\n    at f (a.ts:1:2)`,
        },
      }),
      `no JSON ${canary("log: line that is no JSON")}`,
      "",
    ].join("\n"),
  );
  const { files, out } = await bundle();
  expect(leaks(files)).toEqual([]);
  expect(out).toContain("Look at it before you send it");
  expect([...files.keys()].sort()).toEqual([
    ...[
      "README.txt",
      "config.json",
      "daemon.log",
      "doctor.json",
      "environment.json",
      "files.json",
      "host.json",
      "versions.json",
    ],
  ]);
  // What a helper needs is there.
  expect(JSON.parse(files.get("config.json") ?? "")).toMatchObject({
    token_file: "[hidden]",
    otlp_headers: ["authorization"],
  });
  expect(JSON.parse(files.get("environment.json") ?? "")).toMatchObject({
    PKX_STATE_DIR: home.state,
    OUR_CI_THING: null,
  });
  expect(JSON.parse(files.get("doctor.json") ?? "")).toContainEqual(
    expect.objectContaining({ check: "config", state: "problem" }),
  );
  const lines = (files.get("daemon.log") ?? "")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(7);
  expect(lines[5].err.stack).toEqual(["at f (a.ts:1:2)"]);
  expect(lines[6]).toEqual({ unreadable: expect.any(Number) });
});

let daemon: TestDaemon;
let client: Client;
let mlflow: FakeMlflow;

test("with a daemon, whose runs, trackers and principals have secrets", async () => {
  plantAround();
  mlflow = await startFakeMlflow();
  const tokenFile = write("tracker-token", `${canary("file of a spec")}\n`);
  const principal = write("principal-token", `${canary("token of a principal")}\n`);
  const principals = write(
    "principals.yaml",
    `principals:\n  - {name: ej, token: "file:${principal}", roles: [{role: admin}]}\n  - {name: ci, token: "env:CI_TOKEN", roles: [{role: admin}]}\n`,
  );
  home.env = { ...home.env, CI_TOKEN: canary("token of a principal in the environment") };
  home.configure(`trackers: {prod: ["mlflow://${mlflow.host}/x?token=file:${tokenFile}"]}\n`);
  const proofs = makeProofs();
  canaries.set("token file of the daemon", proofs.token);
  const daemonSecret = canary("environment of the daemon alone");
  daemon = await startDaemon({
    home: home.folder,
    args: [
      ...["--config", home.configFile, "--listen", `127.0.0.1:${await freePort()}`],
      ...["--tls-cert", proofs.file("good.pem"), "--tls-key", proofs.file("good.key")],
      ...["--principals-file", principals, "--token-file", proofs.tokenFile],
    ],
    env: { ...home.env, TRACKER_TOKEN: daemonSecret },
  });
  client = await connect({ endpoint: daemon.endpoint });
  try {
    const said = `rejected "${canary("quoted by a server")}", api_key=${canary("named by a server")}, ${daemonSecret} ${canaries.get("file of a spec")}`;
    mlflow.misbehave(() => answer(403, { error_code: "PERMISSION_DENIED", message: said }));
    const run = await client.startRun({
      name: canary("name of a run"),
      config: { password: canary("config of a run"), lr: POINT, hidden_layers: canary("value of a config") },
      tags: { team: canary("tag of a run") },
      sinks: [`mlflow+http://${mlflow.host}/x?token=env:TRACKER_TOKEN`],
    });
    run.log({ loss: POINT }, 0);
    await run.end();
    await expect
      .poll(async () => (await client.sinkStatus(run.runId)).sinks[0]?.lastError, { timeout: 10_000 })
      .toContain("403");
    appendFileSync(
      join(home.state, "logs/daemon.log"),
      `${JSON.stringify({ level: "warn", msg: allInOneLine() })}\n`,
    );
    const { files } = await bundle();
    // A log line of ours never holds them; what stands in one all the same is hidden where it is known.
    const people = [/of a run$/, /value of a config/, /by a server/];
    const inLog = new Map([...files].filter(([name]) => name === "daemon.log"));
    expect(
      leaks(inLog).filter((leak) => !people.some((one) => one.test(leak.replace(/ in .*/, "")))),
    ).toEqual([]);
    files.delete("daemon.log");
    expect(leaks(files)).toEqual([]);
    expect([...files.values()].join("")).not.toContain(String(POINT));
    const [told] = JSON.parse(files.get("runs.json") ?? "");
    expect(told).toMatchObject({
      runId: run.runId,
      state: "completed",
      sinks: [{ spec: expect.stringContaining("?token=[hidden]"), state: "retrying", pointsPending: 1 }],
    });
    expect(told.sinks[0].lastError).toContain("403");
    expect(JSON.parse(files.get("status.json") ?? "")).toMatchObject({ runs: 1, points: 1 });

    const { files: full } = await bundle("--with-runs", "--lines", "0");
    const asked = new Set([
      "name of a run in runs.json",
      "value of a config in runs.json",
      "tag of a run in runs.json",
    ]);
    expect(new Set(leaks(full))).toEqual(asked);
    expect(full.get("runs.json")).toContain('"password": "[hidden]"');
    expect(full.get("daemon.log")).toBe("");
    expect((await client.sinkStatus(run.runId)).sinks[0]?.state).toBe(SinkState.SINK_STATE_RETRYING);
  } finally {
    client.close();
    await daemon.stop();
    await mlflow.close();
    proofs.remove();
  }
});

test("a file that is there is not overwritten, and one that cannot be made is told", async () => {
  const there = write("there.tar.gz", "mine");
  expect(await home.pkx("support-bundle", there)).toMatchObject({
    code: 2,
    err: expect.stringContaining("is there already"),
  });
  expect(readFileSync(there, "utf8")).toBe("mine");
  expect(await home.pkx("support-bundle", join(home.folder, "no/where.tar.gz"))).toMatchObject({ code: 2 });
});
