/** The MLflow backend of the registry when the server, the network or a person does something else. */
import { BackendRefused, BackendUnavailable } from "@pipekit/adapters/registry";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { answer, type Fault, htmlPage, startFakeHttp, tooManyRequests } from "../support/fake-http.ts";
import { mlflowCall } from "../support/mlflow-client.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import {
  collect,
  metadataOf,
  nameIn,
  never,
  quick,
  receiveText,
  sha256,
  startWorld,
  storeModel,
  tagBytes,
  type World,
} from "./registry-support.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld();
}, 120_000);
afterAll(() => world.close());
afterEach(() => world.network.script(() => undefined));

const rejection = async (promise: Promise<unknown>): Promise<BackendRefused | BackendUnavailable> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof BackendRefused || error instanceof BackendUnavailable) return error;
  throw error ?? new Error("It went well.");
};
interface Version {
  readonly version: string;
  readonly last_updated_timestamp: number | string;
}
const versionsOf = async (spec: string): Promise<Version[]> => {
  const path = `model-versions/search?${new URLSearchParams({ filter: `name = '${nameIn(spec)}'` })}`;
  return (await mlflowCall<{ model_versions?: Version[] }>(world.server.url, path)).model_versions ?? [];
};
const anchorsOf = async (spec: string): Promise<unknown[]> => {
  const query = new URLSearchParams({ experiment_name: "pipekit-models" });
  type Experiment = { experiment: { experiment_id: string } };
  const found = await mlflowCall<Experiment>(world.server.url, `experiments/get-by-name?${query}`);
  const body = {
    experiment_ids: [found.experiment.experiment_id],
    filter: `tags.\`pipekit.registry\` = '${nameIn(spec)}'`,
  };
  return (
    (await mlflowCall<{ models?: unknown[] }>(world.server.url, "logged-models/search", body)).models ?? []
  );
};

describe("an old release", () => {
  const say = (release: string) =>
    world.network.script(({ path }) => {
      return path === "/version" ? { kind: "answer", status: 200, body: release } : undefined;
    });

  test.each(["1.30.0", "2.16.2"])("%s is refused before anything is made", async (release) => {
    say(release);
    const spec = world.freshSpec();
    const refused = await rejection(world.open(spec));
    expect(refused).toBeInstanceOf(BackendRefused);
    expect(refused.message).toBe(`MLflow ${release} cannot remove a single file, which a registry has to.`);
    const path = `registered-models/get?${new URLSearchParams({ name: nameIn(spec) })}`;
    await expect(mlflowCall(world.server.url, path)).rejects.toThrow("404");
  });

  test.each(["2.17.0", "3.0.0rc1", "10.1", "databricks"])("%s is taken", async (release) => {
    say(release);
    await world.open(world.freshSpec());
  });

  test("tells no time of files: a model is as old as its version", async () => {
    world.network.script(({ method }) => (method === "HEAD" ? answer(200) : undefined));
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const hash = await storeModel(backend, "aged");
    const timesOf = async () => {
      const infos = await backend.scan(`${hash}/`, { limit: 10 }, never);
      return new Set(infos.map(({ modifiedAtUs }) => modifiedAtUs));
    };
    const [version] = await versionsOf(spec);
    expect(await timesOf()).toEqual(new Set([Number(version?.last_updated_timestamp) * 1000]));
    // Somebody may be storing what has no metadata.json: it is never old.
    await backend.remove(`${hash}/metadata.json`, never);
    const before = Date.now() * 1000;
    expect(Math.min(...(await timesOf()))).toBeGreaterThanOrEqual(before);
  });
});

describe("an answer that is lost", () => {
  test.each([
    "experiments/create",
    "logged-models$",
    "logged-models/m-",
    "registered-models/create",
    "registered-models/get",
  ])("of %s leaves one registry", async (path) => {
    const spec = world.freshSpec();
    world.network.inject({ kind: "loseAnswer" }, new RegExp(path));
    const backend = await world.open(spec);
    expect(await anchorsOf(spec)).toHaveLength(1);
    expect(await storeModel(backend, path)).toBe(sha256(path));
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test.each([
    "model-versions/create",
    "model-versions/search",
    "mlflow-artifacts/artifacts/",
    "artifacts.path=",
  ])("of %s leaves one version", async (path) => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    for (let n = 0; n < 3; n++) world.network.inject({ kind: "loseAnswer" }, new RegExp(path));
    await storeModel(backend, path).catch((error: unknown) => {
      expect(error).toBeInstanceOf(BackendUnavailable);
      world.network.script(() => undefined);
      return storeModel(backend, path);
    });
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test("of a tag's write is no second write", async () => {
    const backend = await world.open(world.freshSpec());
    world.network.inject({ kind: "loseAnswer" }, /set-tag/);
    const version = await backend.create("_tags/t.txt", tagBytes(sha256("x"), 1), never);
    expect((await backend.get("_tags/t.txt", never))?.version).toBe(version);
  });
});

describe("a server in trouble", () => {
  const passing: [string, Fault][] = [
    ["429", tooManyRequests("0.05")],
    ["500", answer(500, { error_code: "INTERNAL_ERROR", message: "boom" })],
    ["503", answer(503, "upstream")],
    ["reset", { kind: "reset" }],
    ["half an answer", { kind: "resetAnswer" }],
  ];
  test.each(passing)("%s once, of any call, passes", async (_name, fault) => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    for (const path of [
      /registered-models\/get/,
      /set-tag/,
      /model-versions/,
      /artifacts\?path/,
      /operator\.yaml/,
    ]) {
      world.network.inject(fault, path);
    }
    const hash = await storeModel(backend, "passing");
    await backend.create("_tags/t.txt", tagBytes(hash, 1), never);
    expect((await backend.get(`${hash}/metadata.json`, never))?.bytes).toEqual(metadataOf("passing").bytes);
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test.each<[string, Fault, RegExp]>([
    ["429 for long", tooManyRequests("30"), /429/],
    ["500", answer(500, { error_code: "INTERNAL_ERROR", message: "boom" }), /500: boom/],
    ["a page", htmlPage(), /Something else than MLflow/],
    ["silence", { kind: "hang" }, /gave no answer/],
    ["reset", { kind: "reset" }, /closed the connection/],
  ])(
    "%s is unavailable",
    async (_name, fault, message) => {
      const spec = world.freshSpec();
      const backend = await world.open(spec);
      world.network.script(() => fault);
      const calls = [
        () => backend.get("_tags/t.txt", never),
        () => backend.get(`${sha256("x")}/metadata.json`, never),
        () => backend.list("", { limit: 10 }, never),
        () => world.open(spec),
      ];
      // Silence takes its time.
      for (const call of fault.kind === "hang" ? calls.slice(0, 1) : calls) {
        const error = await rejection(call());
        expect(error).toBeInstanceOf(BackendUnavailable);
        expect(error.message).toMatch(message);
        expect(error.mend).not.toBe("");
      }
    },
    30_000,
  );

  test("nobody listens", async () => {
    const away = await startFakeHttp();
    await away.close();
    const error = await rejection(world.open(`mlflow://${away.host}/x`));
    expect(error).toBeInstanceOf(BackendUnavailable);
    expect(error.message).toContain("refuses connections");
  });

  test("an aborted call ends at once", async () => {
    const backend = await world.open(world.freshSpec());
    world.network.script(() => ({ kind: "hang" }));
    for (const call of [
      (signal: AbortSignal) => backend.get("_tags/t.txt", signal),
      (signal: AbortSignal) => collect(backend.read(`${sha256("x")}/weights.bin`, 0, signal)),
      (signal: AbortSignal) => backend.create(`${sha256("x")}/operator.yaml`, Buffer.from("a"), signal),
    ]) {
      const stop = new AbortController();
      const ended = expect(call(stop.signal)).rejects.toThrow("enough");
      stop.abort(new Error("enough"));
      await ended;
    }
  });

  test("a download that breaks off goes on where it was", async () => {
    const backend = await world.open(world.freshSpec());
    const bytes = Buffer.alloc(4 * 1024 * 1024, "0123456789abcdef!");
    const key = `${sha256("long")}/weights.bin`;
    await (await receiveText(backend, bytes)).publish(key, never);
    for (let n = 0; n < 2; n++) world.network.inject({ kind: "resetAnswer" }, /weights\.bin/);
    const from = world.network.seen.length;
    expect((await collect(backend.read(key, 0, never))).equals(bytes)).toBe(true);
    const ranges = world.network.seen.slice(from).map(({ headers }) => headers.range ?? "");
    expect(ranges).toHaveLength(3);
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d+-$/.test(range))).toBe(true);
  });

  test("an upload that breaks off shows nothing, and is sent again", async () => {
    const backend = await world.open(world.freshSpec());
    const key = `${sha256("up")}/weights.bin`;
    const blob = await receiveText(backend, Buffer.alloc(512 * 1024, "x"));
    world.network.script(({ method }) => (method === "PUT" ? { kind: "resetRequest" } : undefined));
    expect(await rejection(blob.publish(key, never))).toBeInstanceOf(BackendUnavailable);
    world.network.script(() => undefined);
    expect(await backend.info(key, never)).toBeUndefined();
    expect(await blob.publish(key, never)).toBe(true);
    expect((await backend.info(key, never))?.size).toBe(512 * 1024);
  });

  test("a file of another size, cut off by a store that keeps halves, is written over", async () => {
    const backend = await world.open(world.freshSpec());
    const key = `${sha256("half")}/weights.bin`;
    await (await receiveText(backend, "hal")).publish(key, never);
    expect(await (await receiveText(backend, "half")).publish(key, never)).toBe(true);
    expect((await collect(backend.read(key, 0, never))).toString()).toBe("half");
  });
});

describe("who died or came between", () => {
  test("a version that was not made is made by the next reader", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    world.network.script(({ path }) => (path.includes("versions/create") ? answer(500, "boom") : undefined));
    expect(await rejection(storeModel(backend, "dead"))).toBeInstanceOf(BackendUnavailable);
    expect(await versionsOf(spec)).toHaveLength(0);
    // Who cannot make it reads all the same.
    const key = `${sha256("dead")}/metadata.json`;
    expect((await backend.get(key, never))?.bytes).toEqual(metadataOf("dead").bytes);
    world.network.script(() => undefined);
    await (await world.open(spec)).get(key, never);
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test("of two versions that two daemons made at once the lower stays", async () => {
    const spec = world.freshSpec();
    const [one, two] = [await world.open(spec), await world.open(spec)];
    await storeModel(one, "twice");
    const { hash, bytes } = metadataOf("twice");
    // The other one looked before the first had made its version.
    world.network.inject(answer(200, {}), /model-versions\/search/);
    await two.get(`${hash}/metadata.json`, never);
    expect((await versionsOf(spec)).map(({ version }) => version)).toEqual(["1"]);
    expect(bytes.length).toBeGreaterThan(0);
  });

  test("a write that another follows at once has lost", async () => {
    const spec = world.freshSpec();
    const [one, two] = [await world.open(spec), await world.open(spec)];
    const first = await one.create("_tags/t.txt", tagBytes(sha256("a"), 1), never);
    const foreign = tagBytes(sha256("b"), 2);
    const second = await two.replace("_tags/t.txt", foreign, first ?? "", never);
    expect(second).toBeDefined();
    // The daemon that still saw the first move: its look before is answered as it was, its look after as it is.
    const tags = [{ key: "pipekit/_tags/t.txt", value: await valueBefore(first ?? "") }];
    world.network.inject(answer(200, { registered_model: { name: "x", tags } }), /registered-models\/get/);
    world.network.inject(answer(200, {}), /set-tag/);
    expect(await one.replace("_tags/t.txt", tagBytes(sha256("c"), 2), first ?? "", never)).toBeUndefined();
    expect((await one.get("_tags/t.txt", never))?.bytes).toEqual(foreign);

    /** The value with this version, out of what was sent. */
    async function valueBefore(version: string): Promise<string> {
      const bodies = world.network.seen
        .filter(({ path }) => path.includes("set-tag"))
        .map(({ body }) => body);
      const values = bodies.map((body) => (JSON.parse(body) as { value: string }).value);
      return values.find((value) => sha256(value) === version) ?? "";
    }
  });
});

describe("what a person has to mend", () => {
  test.each([401, 403])("%i names the variables and no secret", async (status) => {
    const spec = world.freshSpec();
    const env = { MLFLOW_TRACKING_USERNAME: "ada", MLFLOW_TRACKING_PASSWORD: "hunter2" };
    const backend = await world.open(spec, env);
    expect(world.network.seen.at(-1)?.headers.authorization).toMatch(/^Basic /);
    world.network.script(() => answer(status, "no hunter2 here"));
    for (const call of [() => world.open(spec, env), () => backend.get("_tags/t.txt", never)]) {
      const from = world.network.seen.length;
      const error = await rejection(call());
      expect(error).toBeInstanceOf(BackendRefused);
      expect(error.mend).toContain("MLFLOW_TRACKING_USERNAME");
      expect(`${error.message} ${error.mend} ${error.stack}`).not.toContain("hunter2");
      expect(world.network.seen.length).toBe(from + 1);
    }
  });

  test.each<[string, Fault]>([
    ["a page", htmlPage(404)],
    ["no such endpoint", answer(404, { error_code: "ENDPOINT_NOT_FOUND", message: "no" })],
    [
      "a store without one",
      answer(400, {
        error_code: "INVALID_PARAMETER_VALUE",
        message: "Model Registry features are not supported by the store with URI: './mlruns'.",
      }),
    ],
  ])("a server without a model registry: %s", async (_name, fault) => {
    world.network.script(() => fault);
    const error = await rejection(world.open(world.freshSpec()));
    expect(error).toBeInstanceOf(BackendRefused);
    expect(error.message).toContain("There is no model registry");
    expect(error.mend).toContain("--backend-store-uri");
  });

  test("a server that keeps no files", { timeout: 120_000 }, async () => {
    const plain = await startMlflowServer({ serveArtifacts: false });
    try {
      const context = { scratch: world.scratch, env: {} };
      const error = await rejection(quick.open(`mlflow://${plain.host}/x`, context));
      expect(error).toBeInstanceOf(BackendRefused);
      expect(error.message).toContain("(file:)");
      expect(error.mend).toContain("--serve-artifacts");
    } finally {
      await plain.stop();
    }
    const backend = await world.open(world.freshSpec());
    const off = answer(503, "MLflow is running with `--no-serve-artifacts`");
    world.network.script(({ path }) => (path.includes("mlflow-artifacts/") ? off : undefined));
    expect(await rejection(backend.list("", { limit: 1 }, never))).toBeInstanceOf(BackendRefused);
  });

  test("a registered model that was renamed, or deleted", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    const hash = await storeModel(backend, "renamed");
    const [name, renamed] = [nameIn(spec), `${nameIn(spec)}-new`];
    await mlflowCall(world.server.url, "registered-models/rename", { name, new_name: renamed });
    expect((await rejection(backend.get("_tags/t.txt", never))).message).toContain("deleted or renamed");
    const error = await rejection(world.open(spec));
    expect(error).toBeInstanceOf(BackendRefused);
    expect(error.mend).toContain(`\`${renamed}\``);
    const again = await world.open(spec.replace(name, renamed));
    expect(await again.info(`${hash}/metadata.json`, never)).toBeDefined();
    await fetch(`${world.server.url}/api/2.0/mlflow/registered-models/delete`, {
      method: "DELETE",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: renamed }),
    });
    // Under the name that its files carry it comes back, without tags; the next reader makes the version again.
    const back = await world.open(spec);
    expect(await back.list("", { limit: 9, folders: true }, never)).toEqual([`${hash}/`]);
    await back.get(`${hash}/metadata.json`, never);
    expect(await versionsOf(spec)).toHaveLength(1);
  });

  test("a logged model that was deleted is told before its files are", async () => {
    const spec = world.freshSpec();
    const backend = await world.open(spec);
    type Anchor = { info: { model_id: string } };
    const [anchor] = (await anchorsOf(spec)) as Anchor[];
    const url = `${world.server.url}/api/2.0/mlflow/logged-models/${anchor?.info.model_id}`;
    expect((await fetch(url, { method: "DELETE" })).status).toBe(200);
    expect(await Array.fromAsync(backend.differences?.(never) ?? [])).toEqual([
      expect.stringContaining("is deleted in MLflow"),
    ]);
    expect(await rejection(storeModel(backend, "no anchor"))).toBeInstanceOf(BackendRefused);
  });

  test("an entry that is longer than a tag of MLflow", async () => {
    const backend = await world.open(world.freshSpec());
    const error = await rejection(backend.create("_tags/t.txt", Buffer.alloc(5000, "x"), never));
    expect(error.message).toContain("a tag of MLflow keeps 5000");
    expect(await backend.get("_tags/t.txt", never)).toBeUndefined();
  });
});

test("on a server older than logged models files lie below a path of their own", async () => {
  const spec = world.freshSpec();
  const missing = answer(404, { error_code: "ENDPOINT_NOT_FOUND", message: "no" });
  world.network.script(({ path }) => (path.includes("logged-models") ? missing : undefined));
  const backend = await world.open(spec);
  await backend.create(`${sha256("old")}/operator.yaml`, Buffer.from("a"), never);
  expect(world.network.seen.at(-1)?.path).toContain(
    `/artifacts/pipekit-models/${nameIn(spec)}/${sha256("old")}/`,
  );
  expect(await (await world.open(spec)).list("", { limit: 9 }, never)).toEqual([
    `${sha256("old")}/operator.yaml`,
  ]);
});
