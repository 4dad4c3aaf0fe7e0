import { readFileSync, writeFileSync } from "node:fs";
import { credentials, Metadata } from "@grpc/grpc-js";
import { type AuditEntry, type Client, connect, type PipekitError } from "@pipekit/experiment";
import { DaemonServiceClient, PipekitError as Failure } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeProofs, type Proofs, type RemoteDaemon, startRemoteDaemon } from "../support/remote-daemon.ts";

const operator = { module: "m", class: "C", config: {} };
const CROWD = 3;
let proofs: Proofs;
let daemon: RemoteDaemon;
let local: Client;

beforeAll(async () => {
  proofs = makeProofs();
  const principals = [
    { name: "boss", token: tokenOf("boss"), roles: [{ role: "admin" }] },
    {
      name: "reader",
      token: tokenOf("reader"),
      roles: [{ role: "reader", runs: ["*"], tags: ["*"], registries: ["*"] }],
    },
    {
      ...{ name: "small", token: tokenOf("small"), roles: [{ role: "admin" }] },
      quota: {
        calls: CROWD,
        changes_per_minute: 3,
        runs_per_minute: 1,
        points_per_s: 20_000,
        model_gb_per_day: 0.001,
      },
    },
  ];
  // JSON is YAML.
  writeFileSync(proofs.file("principals.yaml"), JSON.stringify({ principals }), { mode: 0o600 });
  daemon = await startRemoteDaemon(proofs, { args: ["--principals-file", proofs.file("principals.yaml")] });
  local = await connect({ env: daemon.clientEnv });
});

afterAll(async () => {
  local.close();
  await daemon.stop();
  proofs.remove();
});

function tokenOf(name: string): string {
  writeFileSync(proofs.file(`${name}.token`), `${name}-0123456789abcdef`, { mode: 0o600 });
  return `file:${proofs.file(`${name}.token`)}`;
}

function as(name: string): Promise<Client> {
  return connect({
    env: {
      PKX_TOKEN_FILE: proofs.file(`${name}.token`),
      PKX_CA_FILE: proofs.caFile,
      PKX_ENDPOINT: daemon.url,
    },
  });
}

function told(query: Parameters<Client["audit"]["read"]>[0]): Promise<AuditEntry[]> {
  return Array.fromAsync(local.audit.read(query));
}

async function failureOf(work: Promise<unknown>): Promise<PipekitError> {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof Failure)) throw new Error(`not refused: ${String(failure)}`);
  return failure;
}

test("over TCP an entry names the principal and its address; starts and ends of runs are told, points are not", async () => {
  const boss = await as("boss");
  const { model } = await local.registry().store({ operator });
  await local.registry().tag(model.hash, "seen");
  await boss.withRun({ name: "afar" }, async (run) => run.log({ loss: 1 }, 0));
  const failure = await failureOf(boss.registry("local:/srv").tag(model.hash, "x"));
  expect(failure.code).toBe("INVALID_ARGUMENT");
  const entries = await told({ principal: "boss" });
  const peer = expect.stringMatching(/^127\.0\.0\.1:\d+$/);
  expect(entries).toMatchObject([
    { kind: "run", method: "TrackerService/StartRun", principal: "boss", peer },
    { kind: "run", principal: "boss", peer },
  ]);
  expect(entries.map(({ subjectJson }) => JSON.parse(subjectJson).what)).toEqual(["start", "end"]);
  // Admins read it from afar, too.
  expect((await Array.fromAsync(boss.audit.read())).length).toBeGreaterThan(3);
  expect((await boss.audit.verify(await boss.audit.head())).entries).toBeGreaterThan(3);
  boss.close();
});

test("what a role or a token does not permit is told once and counted, under the name that was proved", async () => {
  const reader = await as("reader");
  const refusals = Array.from({ length: 20 }, () => failureOf(reader.registry().tag("seen", "mine")));
  for (const { code } of await Promise.all(refusals)) expect(code).toBe("PERMISSION_DENIED");
  expect((await failureOf(reader.audit.verify())).code).toBe("PERMISSION_DENIED");
  expect((await failureOf(Array.fromAsync(reader.audit.read()))).code).toBe("PERMISSION_DENIED");
  reader.close();
  expect(await told({ principal: "reader" })).toMatchObject([
    {
      kind: "refused",
      outcome: "PERMISSION_DENIED",
      peer: "127.0.0.1",
      count: 1,
      method: "RegistryService/Tag",
    },
  ]);
  // A name that a client writes itself is no proof, neither to the guards nor to the log.
  const client = new DaemonServiceClient(
    `127.0.0.1:${daemon.port}`,
    credentials.createSsl(readFileSync(proofs.caFile)),
  );
  const metadata = new Metadata();
  metadata.set("pipekit-principal", "boss");
  metadata.set("authorization", "Bearer wrong-0123456789abcdef");
  const code = await new Promise<string>((done) => {
    client.status({}, metadata, (error) =>
      done(error === null ? "answered" : Failure.fromServiceError(error).code),
    );
  });
  client.close();
  expect(code).toBe("UNAUTHENTICATED");
  const last = (await told({ last: 1 }))[0];
  expect(last).toMatchObject({ kind: "refused", outcome: "UNAUTHENTICATED", principal: "" });
});

test("calls and changes beyond a quota are refused with the limit and the time to wait; other principals go on", async () => {
  const small = await as("small");
  const watching = new AbortController();
  for (let i = 0; i < CROWD; i++) {
    const watch = small.watchRuns([], { signal: watching.signal });
    watch.next().catch(() => undefined);
  }
  const crowded = await vi.waitFor(async () => {
    const failure = await failureOf(small.status());
    expect(failure.code).toBe("QUOTA_EXCEEDED");
    return failure;
  });
  expect(crowded).toMatchObject({ field: "calls", mend: expect.stringMatching(/Try again in \d+ s/) });
  const boss = await as("boss");
  await boss.status();
  boss.close();
  watching.abort();
  small.close();
  const again = await vi.waitFor(() => as("small"));
  await again.registry().tag("seen", "a");
  await again.registry().tag("seen", "b");
  const weights = proofs.file("small.bin");
  writeFileSync(weights, Buffer.alloc(1_500_000));
  const stored = await failureOf(again.registry().store({ operator: { ...operator, class: "D" }, weights }));
  expect(stored).toMatchObject({ code: "QUOTA_EXCEEDED", field: "model_gb_per_day" });
  expect(await failureOf(again.registry().tag("seen", "c"))).toMatchObject({ field: "changes_per_minute" });
  again.close();
});

test("frames beyond a quota come later: none is refused and no point is lost", async () => {
  const small = await as("small");
  const run = await small.startRun({ name: "fast" });
  expect(await failureOf(small.startRun({ name: "second" }))).toMatchObject({
    code: "QUOTA_EXCEEDED",
    field: "runs_per_minute",
  });
  const began = performance.now();
  for (let step = 0; step < 60_000; step++) run.log({ loss: step }, step);
  await run.flush();
  const seconds = (performance.now() - began) / 1000;
  await run.end();
  expect((await local.getRun(run.runId)).points).toBe(60_000);
  // 20 000 at once and 20 000 a second.
  expect(seconds).toBeGreaterThan(1.5);
  small.close();
}, 20_000);

test("principals that are read anew are told", async () => {
  const file = proofs.file("principals.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace('"small"', '"tiny"'), { mode: 0o600 });
  const entries = await vi.waitFor(
    async () => {
      const found = (await told({ last: 5 })).filter(({ kind }) => kind === "config");
      expect(found).toHaveLength(1);
      return found;
    },
    { timeout: 10_000, interval: 200 },
  );
  expect(JSON.parse(entries[0]?.subjectJson ?? "")).toEqual({ change: "principals" });
});
