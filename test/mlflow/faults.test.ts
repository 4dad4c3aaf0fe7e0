import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { retryAfterMs } from "@pipekit/adapters/http";
import { mlflowTracker, mlflowTrackerWith } from "@pipekit/adapters/mlflow";
import type { AdapterContext, SinkRecord, TrackerAdapter } from "@pipekit/adapters/tracker";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  answer,
  type FakeHttp,
  type Fault,
  htmlPage,
  startFakeHttp,
  tooManyRequests,
} from "../support/fake-http.ts";
import { CONTEXT, file, NEVER, newRun, point } from "./support.ts";

const MEMO = {
  experimentId: "1",
  mlflowRunId: "a".repeat(32),
  artifactUri: "mlflow-artifacts:/1/a/artifacts",
};

let fake: FakeHttp;
let folder: string;

beforeEach(async () => {
  fake = await startFakeHttp();
  folder = mkdtempSync(join(tmpdir(), "pipekit-faults-"));
});
afterEach(async () => {
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

async function opened(
  query = "",
  context: Partial<AdapterContext> = {},
  kind = mlflowTracker,
): Promise<TrackerAdapter> {
  const adapter = kind.connect(kind.parse(`mlflow://${fake.host}/x${query}`), { ...CONTEXT, ...context });
  await adapter.open(newRun(), MEMO, NEVER);
  return adapter;
}

const refusedBy = (message: string, code = "INVALID_PARAMETER_VALUE"): Fault =>
  answer(400, { error_code: code, message });
const active = answer(200, { run: { info: { lifecycle_stage: "active" } } });

describe("what a failing server means", () => {
  test.each<[string, Fault, number | undefined, RegExp]>([
    ["429 with Retry-After", tooManyRequests("12"), 12_000, /429: slow down\.$/],
    ["429 without", tooManyRequests(), undefined, /429/],
    ["408", answer(408), undefined, /408\.$/],
    ["500", answer(500, { error_code: "INTERNAL_ERROR", message: "boom" }), undefined, /500: boom\.$/],
    ["502 page", htmlPage(502), undefined, /answers 502\.$/],
    ["503 text", answer(503, "upstream connect error"), undefined, /503: upstream connect error\.$/],
    ["503 with Retry-After", answer(503, "", { "retry-after": "0.5" }), 500, /503/],
    ["504", answer(504), undefined, /504/],
    ["a page with 200", htmlPage(), 60_000, /Something else than MLflow.*a web page/],
    ["text with 200", answer(200, "OK"), 60_000, /not MLflow's JSON/],
    ["nothing with 200", answer(200), 60_000, /not MLflow's JSON/],
    ["a page with 404", htmlPage(404), 60_000, /a web page \(status 404\)/],
    ["a page with 400", htmlPage(400), 60_000, /a web page \(status 400\)/],
    ["401", answer(401, "You are not authenticated"), 60_000, /does not accept the credentials/],
    [
      "403",
      answer(403, "Invalid Host header - possible DNS rebinding attack detected"),
      60_000,
      /403: Invalid Host/,
    ],
    ["reset", { kind: "reset" }, undefined, /closed the connection\.$/],
    ["half an answer", { kind: "halfAnswer", status: 200, body: "{" }, undefined, /broke off in the middle/],
  ])("%s: try again", async (_name, fault, afterMs, reason) => {
    const adapter = await opened();
    fake.script(() => fault);
    const result = await adapter.send([point("loss", 0, 1)], NEVER);
    expect(result).toMatchObject({ status: "retry", reason: expect.stringMatching(reason) });
    expect("afterMs" in result ? result.afterMs : undefined).toBe(afterMs);
    fake.script(() => undefined);
    expect(await adapter.send([point("loss", 0, 1)], NEVER)).toEqual({ status: "ok" });
  });

  test("a redirect is not followed, and its target is named without its secrets", async () => {
    const elsewhere = await startFakeHttp();
    try {
      const adapter = await opened();
      fake.script(() => answer(307, "", { location: `${elsewhere.url}/login?ticket=hunter2` }));
      const result = await adapter.send([point("loss", 0, 1)], NEVER);
      expect(result).toMatchObject({
        status: "retry",
        reason: expect.stringContaining(`redirects to ${elsewhere.url};`),
      });
      expect(JSON.stringify(result)).not.toContain("hunter2");
      expect(elsewhere.seen).toHaveLength(0);
    } finally {
      await elsewhere.close();
    }
  });

  test("nobody listens", async () => {
    const adapter = await opened();
    await fake.close();
    const result = await adapter.send([point("loss", 0, 1)], NEVER);
    expect(result).toMatchObject({ status: "retry", reason: `MLflow at ${fake.host} refuses connections.` });
    fake = await startFakeHttp();
  });

  test("something that speaks no HTTP listens", async () => {
    const ssh = createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.6\r\n"));
    await new Promise<void>((resolve) => ssh.listen(0, "127.0.0.1", resolve));
    const { port } = ssh.address() as { port: number };
    const adapter = mlflowTracker.connect(`mlflow://127.0.0.1:${port}/x`, CONTEXT);
    const result = await adapter.open(newRun(), undefined, NEVER);
    expect(result).toMatchObject({
      status: "retry",
      reason: `MLflow at 127.0.0.1:${port} does not speak HTTP: something else answers there.`,
    });
    ssh.close();
  });

  test("reads Retry-After as seconds and as a date", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(retryAfterMs(undefined, now)).toBeUndefined();
    expect(retryAfterMs("3", now)).toBe(3000);
    expect(retryAfterMs("Thu, 01 Jan 2026 00:01:00 GMT", now)).toBe(60_000);
    expect(retryAfterMs("Thu, 01 Jan 2020 00:01:00 GMT", now)).toBe(0);
    expect(retryAfterMs("999999999", now)).toBe(3_600_000);
    expect(retryAfterMs("soon", now)).toBeUndefined();
    expect(retryAfterMs("-3", now)).not.toBeLessThan(0);
  });

  test("a long message is cut and put on one line", async () => {
    const adapter = await opened();
    fake.script(() => answer(500, { error_code: "INTERNAL_ERROR", message: `a\n\tb${"x".repeat(5000)}` }));
    const result = await adapter.send([point("loss", 0, 1)], NEVER);
    if (result.status !== "retry") throw new Error(result.status);
    expect(result.reason.length).toBeLessThan(400);
    expect(result.reason).toMatch(/: a bx+…$/);
  });

  test("a close ends what is under way", async () => {
    const adapter = await opened();
    fake.script(() => ({ kind: "hang" }));
    const pending = adapter.send([point("loss", 0, 1)], NEVER);
    await adapter.close();
    expect(await pending).toMatchObject({ status: "retry" });
  });
});

describe("refusals", () => {
  /** Refuses any request that holds one of these steps. */
  const refuseSteps = (...steps: number[]) =>
    fake.script((request) => {
      if (request.path.includes("runs/get")) return active;
      const metrics: { step: number }[] = JSON.parse(request.body).metrics ?? [];
      return metrics.some(({ step }) => steps.includes(step)) ? refusedBy("bad metric") : undefined;
    });

  test("are found one by one in few requests", async () => {
    const adapter = await opened();
    refuseSteps(3, 700, 701);
    const batch = Array.from({ length: 1000 }, (_, index) => point("loss", index, 0));
    const result = await adapter.send(batch, NEVER);
    expect(result).toEqual({
      status: "permanent",
      reason: "`loss`: MLflow refuses: bad metric.",
      rejected: [3, 700, 701],
    });
    expect(fake.seen.length).toBeLessThan(60);
  });

  test("that end in a passing failure count what stands before the first of them", async () => {
    const adapter = await opened();
    refuseSteps(5);
    const batch: SinkRecord[] = [
      ...Array.from({ length: 10 }, (_, index) => point("loss", index, 0)),
      { kind: "artifact", name: "a", uri: "", files: [file(folder, "a", "x", "")] },
    ];
    fake.inject(answer(503), /mlflow-artifacts/);
    expect(await adapter.send(batch, NEVER)).toMatchObject({
      status: "partial",
      accepted: 5,
      rest: { status: "retry" },
    });
  });

  test("413: the batch goes in smaller pieces", async () => {
    const adapter = await opened();
    fake.script((request) => (request.body.length > 5000 ? answer(413, "Too Large") : undefined));
    const batch = Array.from({ length: 300 }, (_, index) => point("loss", index, 0));
    expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
  });

  test("an older server that takes 500 characters gets them", async () => {
    const adapter = await opened();
    fake.script((request) => {
      if (request.path.includes("runs/get")) return active;
      const params: { value: string }[] = JSON.parse(request.body).params ?? [];
      const long = params.some(({ value }) => value.length > 500);
      return long ? refusedBy("Param value had length 600, which exceeded length limit of 500") : undefined;
    });
    const batch: SinkRecord[] = [{ kind: "params", params: { a: "1", long: "z".repeat(600), b: "2" } }];
    expect(await adapter.send(batch, NEVER)).toEqual({ status: "ok" });
    expect(adapter.takeNotes()).toEqual([expect.stringContaining("`long` only when it was cut")]);
    expect(fake.seen.some(({ body }) => body.includes("cut by pipekit: 600 characters"))).toBe(true);
  });

  test("an older server that refuses a NaN it holds is not asked to take it", async () => {
    const adapter = await opened();
    const held = { key: "m", value: "NaN", timestamp: 1_760_000_000_001, step: 1 };
    fake.script((request) => {
      if (request.path.includes("runs/get?")) return active;
      if (request.path.includes("get-history")) return answer(200, { metrics: [held] });
      return request.body.includes("NaN") ? refusedBy("UNIQUE constraint failed", "BAD_REQUEST") : undefined;
    });
    const held1 = point("m", 1, Number.NaN);
    expect(await adapter.send([point("m", 0, 1), held1, point("m", 2, 1)], NEVER)).toEqual({ status: "ok" });
    expect(await adapter.send([held1, point("m", 2, Number.NaN)], NEVER)).toMatchObject({ rejected: [1] });
  });
});

describe("credentials", () => {
  const sent = () => fake.seen.at(-1)?.headers.authorization;
  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;

  test("come from references, the environment or MLflow's file, in this order", async () => {
    mkdirSync(join(folder, ".mlflow"));
    const ini =
      "[other]\nmlflow_tracking_username = no\n[mlflow]\nmlflow_tracking_username = fay\nmlflow_tracking_password: p=w\n";
    writeFileSync(join(folder, ".mlflow/credentials"), ini);
    writeFileSync(join(folder, "secret"), "from-file\n", { mode: 0o600 });
    const env = { T: "tok", U: "uma", MLFLOW_TRACKING_TOKEN: "plain" };
    const cases: [string, Partial<AdapterContext>, string | undefined][] = [
      ["", {}, undefined],
      ["?token=env:T", { env, home: folder }, "Bearer tok"],
      [`?username=env:U&password=file:${folder}/secret`, { env, home: folder }, basic("uma:from-file")],
      ["", { env, home: folder }, basic("fay:p=w")],
      ["", { env: { MLFLOW_TRACKING_USERNAME: "eve" }, home: folder }, basic("eve:p=w")],
      ["", { env }, "Bearer plain"],
    ];
    for (const [query, context, header] of cases) {
      const adapter = await opened(query, context);
      expect(await adapter.send([point("loss", 0, 1)], NEVER)).toEqual({ status: "ok" });
      expect(sent()).toBe(header);
    }
    expect(fake.seen.every(({ headers }) => headers["origin"] === undefined)).toBe(true);
  });

  test("are read again once they were refused, and never shown", async () => {
    const env: Record<string, string | undefined> = { U: "uma", P: "hunter2" };
    const adapter = await opened("?username=env:U&password=env:P", { env });
    const stale = basic("uma:hunter2");
    fake.script(({ headers }) =>
      headers.authorization === stale ? answer(403, `no entry for uma hunter2 (${stale})`) : undefined,
    );
    const refused = await adapter.send([point("loss", 0, 1)], NEVER);
    expect(refused).toMatchObject({ status: "retry", afterMs: 60_000 });
    expect(JSON.stringify(refused)).not.toMatch(/hunter2|dW1hOmh1bnRlcjI/);
    // A secret across the place where a long text is cut.
    fake.inject(answer(500, `${"y".repeat(294)}hunter2`));
    expect(JSON.stringify(await adapter.send([point("loss", 0, 1)], NEVER))).not.toContain("yhunt");
    env["P"] = "renewed";
    expect(await adapter.send([point("loss", 0, 1)], NEVER)).toMatchObject({ status: "retry" });
    expect(await adapter.send([point("loss", 0, 1)], NEVER)).toEqual({ status: "ok" });
  });

  test("that are missing are named, and nothing is sent", async () => {
    const adapter = await opened("?token=env:NOPE");
    const result = await adapter.send([point("loss", 0, 1)], NEVER);
    expect(result).toMatchObject({ status: "retry", reason: expect.stringContaining("variable NOPE") });
    expect(fake.seen).toHaveLength(0);
  });

  test("unencrypted to another host: a note", () => {
    const notes = (spec: string) => mlflowTracker.connect(spec, CONTEXT).takeNotes();
    expect(notes("mlflow://ml.example.com/x?token=env:T")).toHaveLength(1);
    expect(notes("mlflow+https://ml.example.com/x?token=env:T")).toEqual([]);
    expect(notes("mlflow://127.0.0.1:1/x?token=env:T")).toEqual([]);
  });
});

describe("artifacts", () => {
  const parted = mlflowTrackerWith({ fromBytes: 1000, partBytes: 1000 });
  const artifact = (content: Buffer): SinkRecord => ({
    kind: "artifact",
    name: "models/w.bin",
    uri: "",
    files: [file(folder, "w.bin", content, "")],
  });

  /** The multipart calls of a server whose store signs addresses on `store`. */
  function signParts(store: FakeHttp): void {
    fake.script((request) => {
      if (!request.path.includes("/mpu/create/")) return undefined;
      const { num_parts } = JSON.parse(request.body);
      const credentials = Array.from({ length: num_parts }, (_, index) => ({
        url: `${store.url}/bucket/part${index + 1}?signature=s`,
        part_number: index + 1,
        headers: { "x-part": String(index + 1) },
      }));
      return answer(200, { upload_id: "up1", credentials: credentials.toReversed() });
    });
  }

  test("large ones go in parts to the store's own addresses, without our credentials", async () => {
    const store = await startFakeHttp();
    try {
      signParts(store);
      store.script(({ path }) => answer(200, "", { etag: `"e${/part(\d)/.exec(path)?.[1]}"` }));
      const adapter = await opened("?token=env:T", { env: { T: "tok" } }, parted);
      const content = Buffer.from(Array.from({ length: 2500 }, (_, index) => 97 + (index % 26)));
      expect(await adapter.send([artifact(content)], NEVER)).toEqual({ status: "ok" });
      const parts = store.seen.toSorted((a, b) => (a.path < b.path ? -1 : 1));
      expect(Buffer.from(parts.map(({ body }) => body).join(""))).toEqual(content);
      expect(parts.map(({ headers }) => headers["x-part"])).toEqual(["1", "2", "3"]);
      expect(store.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
      const [create, complete] = fake.seen;
      expect(create?.path).toBe("/api/2.0/mlflow-artifacts/mpu/create/1/a/artifacts/models");
      expect(create?.headers.authorization).toBe("Bearer tok");
      expect(JSON.parse(create?.body ?? "")).toEqual({ path: "w.bin", num_parts: 3 });
      expect(complete?.path).toContain("/mpu/complete/1/a/artifacts/models");
      const body = JSON.parse(complete?.body ?? "");
      expect(body).toMatchObject({ path: "w.bin", upload_id: "up1" });
      expect(body.parts.map((part: { etag: string }) => part.etag)).toEqual(['"e1"', '"e2"', '"e3"']);
    } finally {
      await store.close();
    }
  });

  test("parts that cannot be put are aborted, and the file goes through the proxy", async () => {
    const store = await startFakeHttp();
    signParts(store);
    await store.close();
    const adapter = await opened("", {}, parted);
    const content = Buffer.alloc(2500, 7);
    expect(await adapter.send([artifact(content)], NEVER)).toEqual({ status: "ok" });
    expect(fake.seen.map(({ path }) => /mpu\/\w+|artifacts\/1\/.*/.exec(path)?.[0])).toEqual([
      "mpu/create",
      "mpu/abort",
      "artifacts/1/a/artifacts/models/w.bin",
    ]);
    const put = fake.seen.at(-1);
    expect(put?.headers["content-length"]).toBe("2500");
    expect(
      createHash("sha256")
        .update(put?.body ?? "")
        .digest("hex"),
    ).toBe(createHash("sha256").update(content).digest("hex"));
  });

  test("one that is too large for the server is refused, though it stops reading", async () => {
    const adapter = await opened();
    fake.inject({ kind: "refuseBody", status: 413 }, /mlflow-artifacts/);
    const result = await adapter.send([artifact(Buffer.alloc(8_000_000)), point("loss", 0, 1)], NEVER);
    expect(result).toMatchObject({
      status: "permanent",
      rejected: [0],
      reason: expect.stringContaining("8000000 bytes"),
    });
  });

  test("after a passing failure only the files not yet taken are sent", async () => {
    const adapter = await opened();
    const files = ["a", "b", "c"].map((name) => file(folder, name, name));
    const record: SinkRecord = { kind: "artifact", name: "d", uri: "", files };
    fake.inject(answer(503), /d\/b$/);
    expect(await adapter.send([point("loss", 0, 1), record], NEVER)).toMatchObject({
      status: "partial",
      accepted: 1,
    });
    expect(await adapter.send([record], NEVER)).toEqual({ status: "ok" });
    const puts = fake.seen.filter(({ method }) => method === "PUT").map(({ path }) => path.at(-1));
    expect(puts).toEqual(["a", "b", "b", "c"]);
  });

  test("a proxy on another host gets no credentials", async () => {
    const other = await startFakeHttp();
    try {
      const adapter = mlflowTracker.connect(`mlflow://${fake.host}/x?token=env:T`, {
        ...CONTEXT,
        env: { T: "tok" },
      });
      await adapter.open(newRun(), { ...MEMO, artifactUri: `mlflow-artifacts://${other.host}/1/a` }, NEVER);
      expect(await adapter.send([artifact(Buffer.from("x"))], NEVER)).toEqual({ status: "ok" });
      expect(other.seen[0]?.path).toBe("/api/2.0/mlflow-artifacts/artifacts/1/a/models/w.bin");
      expect(other.seen[0]?.headers.authorization).toBeUndefined();
    } finally {
      await other.close();
    }
  });
});
