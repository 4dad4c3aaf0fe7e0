import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditEntry, type Client, connect, type PipekitError } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { pkx as runPkx } from "../support/terminal.ts";

const operator = { module: "m", class: "C", config: {} };
let home: string;
let daemon: TestDaemon;
let client: Client;

beforeEach(async () => {
  home = temporaryHome();
  await start();
});

afterEach(async () => {
  client.close();
  await daemon.stop();
  rmSync(home, { recursive: true, force: true });
});

async function start() {
  daemon = await startDaemon({ home });
  client = await connect({ env: daemon.clientEnv });
}

async function told(query: Parameters<Client["audit"]["read"]>[0] = {}): Promise<AuditEntry[]> {
  return Array.fromAsync(client.audit.read(query));
}

function pkx(...args: string[]) {
  return runPkx(args, { env: daemon.clientEnv });
}

test("what changes something is told before and after, with who and what; reading and logging is not", async () => {
  const registry = client.registry();
  const { model } = await registry.store({ operator, name: "production" });
  await client.withRun({ name: "r" }, async (run) => run.log({ loss: 1 }, 0));
  await registry.stat("production");
  await registry.tag(model.hash, "candidate", { reason: "better" });
  const failure = await registry.tag("nothing", "candidate").catch((error: PipekitError) => error);
  expect(failure).toMatchObject({ code: "REF_NOT_FOUND" });
  const [first, ...entries] = await told();
  expect(first).toMatchObject({ seq: 1, kind: "start", principal: "", prev: "" });
  const short = entries.map(({ kind, method, outcome, intentSeq }) => [kind, method, outcome, intentSeq]);
  expect(short).toEqual([
    ["intent", expect.stringMatching(/^RegistryService\/Store/), "", 0],
    ["outcome", expect.stringMatching(/^RegistryService\/Store/), "OK", 2],
    ["intent", "RegistryService/Tag", "", 0],
    ["outcome", "RegistryService/Tag", "OK", 4],
    ["intent", "RegistryService/Tag", "", 0],
    ["outcome", "RegistryService/Tag", "REF_NOT_FOUND", 6],
  ]);
  for (const { principal, peer } of entries)
    expect({ principal, peer }).toEqual({ principal: expect.stringMatching(/^socket:./), peer: "" });
  expect(JSON.parse(entries[2]?.subjectJson ?? "")).toMatchObject({
    ref: model.hash,
    name: "candidate",
    reason: "better",
  });
  expect(JSON.parse(entries[3]?.subjectJson ?? "")).toMatchObject({ hash: model.hash, seq: 1 });
  expect(await told({ method: "Tag", afterSeq: 5 })).toHaveLength(2);
  expect(await told({ principal: "eve" })).toEqual([]);
  expect(await told({ last: 1 })).toEqual(entries.slice(-1));
});

test("following tells what comes, and goes on over a restart of the daemon", async () => {
  const following = client.audit.read({ afterSeq: 1, follow: true });
  const next = following.next();
  const { model } = await client.registry().store({ operator });
  await client.registry().tag(model.hash, "a");
  expect((await next).value).toMatchObject({ seq: 2, kind: "intent" });
  expect((await following.next()).value).toMatchObject({ seq: 3, kind: "outcome" });
  const later = following.next();
  await daemon.kill9();
  await start();
  expect((await later).value).toMatchObject({ seq: 4, kind: "start" });
  await following.return(undefined);
});

test("a tag move that was answered is in the log after a kill -9, and the chain holds", async () => {
  const { model } = await client.registry().store({ operator });
  let moved = 0;
  for (let round = 0; round < 3; round++) {
    const before = moved;
    const moving = (async () => {
      for (;;) {
        await client.registry().tag(model.hash, `t${moved}`);
        moved++;
      }
    })().catch(() => undefined);
    while (moved < before + 3 + 2 * round) await new Promise((done) => setImmediate(done));
    await daemon.kill9();
    client.close();
    await moving;
    await start();
    const outcomes = (await told({ method: "Tag" })).filter(
      ({ kind, outcome }) => kind === "outcome" && outcome === "OK",
    );
    expect(outcomes.length).toBeGreaterThanOrEqual(moved);
    await client.audit.verify();
  }
});

test("a log that cannot be written stops tag moves before they are made, and logging goes on", async () => {
  const { model } = await client.registry().store({ operator });
  const folder = join(daemon.stateFolder, "audit");
  // A full disk for root, too: where the folder should be there is a file.
  rmSync(folder, { recursive: true });
  writeFileSync(folder, "");
  const failure = await client
    .registry()
    .tag(model.hash, "production")
    .catch((error: PipekitError) => error);
  expect(failure).toMatchObject({ code: "STORAGE_FULL", field: folder, mend: expect.stringMatching(/./) });
  await expect(client.registry().resolve("production")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  await client.withRun({ name: "r" }, async (run) => run.log({ loss: 1 }, 0));
  rmSync(folder);
  await client.registry().tag(model.hash, "production");
  expect(await client.registry().resolve("production")).toBe(model.hash);
  // The entries that were removed are missed.
  await expect(client.audit.verify()).rejects.toMatchObject({ code: "CORRUPT_AUDIT" });
});

test("pkx audit lists, verifies and prints the head; a log that was changed is told by all", async () => {
  const { model } = await client.registry().store({ operator });
  const { out: head } = await pkx("audit", "head");
  await client.registry().tag(model.hash, "production", { reason: "x" });
  const { out } = await pkx("audit", "list", "--method", "Tag", "--within", "1h");
  expect(out.split("\n")[0]).toMatch(
    /^2 {2}\S+ \S+ {2}intent {2}socket:\S+ {2}RegistryService\/Tag {2}.*name=production reason=x|reason=x/,
  );
  const { out: json } = await pkx("audit", "list", "-n", "1", "--json");
  expect(JSON.parse(json)).toMatchObject({ seq: 3, outcome: "OK", subject: { hash: model.hash } });
  expect(await pkx("audit", "verify", "--since", head.trim())).toMatchObject({
    code: 0,
    out: expect.stringContaining("3 entries"),
  });
  expect((await pkx("audit", "verify", "--since", "5:xyz")).code).toBe(2);
  const { err, code } = await pkx("audit", "verify", "--since", `9:${"0".repeat(64)}`);
  expect({ err, code }).toEqual({ err: expect.stringContaining("CORRUPT_AUDIT"), code: 6 });
  await daemon.stop();
  const file = join(daemon.stateFolder, "audit", readdirSync(join(daemon.stateFolder, "audit"))[0] ?? "");
  expect(readFileSync(file, "utf8")).not.toContain("token");
  writeFileSync(file, readFileSync(file, "utf8").replace("production", "productiom"));
  chmodSync(file, 0o600);
  await start();
  expect((await pkx("audit", "verify")).code).toBe(6);
  await expect
    .poll(async () => (await client.status()).warnings, { timeout: 10_000 })
    .toEqual([expect.stringContaining("audit log is damaged")]);
});
