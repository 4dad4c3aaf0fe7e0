/**
 * Eight daemons with state folders of their own share one registry in one bucket of a real S3 server; no one leads. Their clients
 * promote, roll back, delete and read the same tags, another watches, and a collector deletes what nothing keeps. Daemons are
 * killed by kill -9, and the clients find that out in the middle of a call: they start the daemon again, as they do for a user,
 * and make the call once more. In a run of half a minute or longer the S3 server is killed by kill -9 and started again, too, for
 * which it takes up to 25 s. What the clients saw is linearizable, and the log has each call's move once.
 * `$PKX_FAULT_SECONDS` (5) is how long, `$PKX_FAULT_SEED` (1) what is drawn.
 */
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { type Client, connect, PipekitError, type TagMove } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryHome } from "../support/daemon.ts";
import { gone } from "../support/gone.ts";
import { linearize, type TagAnswer, type TagCall, type TagEvent } from "../support/linearizability.ts";
import { seeded } from "../support/random.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";
import { TcpGate } from "../support/tcp-gate.ts";

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, "../..");
const DAEMONS = 8;
const SECONDS = Number(process.env["PKX_FAULT_SECONDS"] ?? "5");
const SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const TAGS = ["production", "candidate"];
const MODELS = 5;
/** The S3 server is killed about as often as this. */
const SERVER_LIFE_S = Math.min(SECONDS / 2, 45);
const SERVER_DIES = SECONDS >= 30;

const folder = temporaryHome();
let server: S3Server;
/** The daemons reach the server through it: shut until the server that was killed keeps its own promises again. */
let gate: TcpGate;
const clients: Client[] = [];
/** Until when everybody works, by performance.now(). */
let until = 0;
/** Resolves when the S3 server that was killed is there again. */
let serverIsThere = Promise.resolve();
/** Calls that were answered though their daemon was killed meanwhile. */
let askedAgain = 0;
/** Why a watcher ended before it was told to. */
const watchers: unknown[] = [];
beforeAll(async () => {
  // The bundle starts much faster than the source, and here daemons start again and again.
  const bundle = run(process.execPath, [join(ROOT, "daemon/build.ts"), "--out", join(folder, "bundle")]);
  [server] = await Promise.all([startSeaweed(), bundle]);
  gate = await TcpGate.before(Number(new URL(server.endpoint).port));
  const homes = Array.from({ length: DAEMONS }, (_, i) => join(folder, String(i)));
  clients.push(...(await Promise.all(homes.map(open))));
}, 90_000);
afterAll(async () => {
  for (const client of clients) await stop(client).catch(() => undefined);
  gate.close();
  await server.stop();
  rmSync(folder, { recursive: true });
}, 60_000);

/** A client that starts its daemon, now and whenever it is gone. */
function open(home: string): Promise<Client> {
  mkdirSync(home);
  const env = {
    ...server.env(),
    HOME: home,
    PKX_STATE_DIR: join(home, "state"),
    PKX_RUNTIME_DIR: join(home, "run"),
    PKX_DAEMON: join(folder, "bundle/pkx.mjs"),
    // Should this process die, they leave.
    PKX_IDLE_EXIT_S: "60",
  };
  return connect({ env, timeoutMs: 60_000 });
}

async function stop(client: Client): Promise<void> {
  const { pid } = await client.status();
  client.close();
  process.kill(pid, "SIGTERM");
  await gone(pid);
}

/** A call as it was made, with the mark that its move has in the log. */
interface Made extends TagEvent {
  readonly tag: string;
  readonly mark: string;
}

/** What an error tells of a call: that it was refused, that the name leads nowhere, or nothing. */
function answerOf(error: unknown, call: TagCall): TagAnswer {
  if (!(error instanceof PipekitError)) throw error;
  const { code } = error;
  if (code === "REF_NOT_FOUND" && call.kind === "read") return { kind: "stands", seq: 0, hash: "" };
  if (code === "TAG_CONFLICT" || code === "TAG_EXISTS" || code === "REF_NOT_FOUND") {
    return { kind: "refused", code };
  }
  if (code === "DAEMON_UNAVAILABLE" || code === "REGISTRY_UNAVAILABLE") return { kind: "unknown" };
  throw error;
}

/** A client that calls one after another until the time is over. */
async function work(number: number, spec: string, hashes: readonly string[]): Promise<Made[]> {
  const random = seeded(SEED * 1000 + number);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const made: Made[] = [];
  const seen = new Map<string, string>();
  const client = clients[number];
  if (client === undefined) throw new Error("There is no such client.");
  const registry = client.registry(spec);
  while (performance.now() < until) {
    const [tag, hash, mark, dice] = [pick(TAGS), pick(hashes), `${number}-${made.length}`, random()];
    const expected = random() < 0.5 ? (seen.get(tag) ?? "") : "";
    const call: TagCall =
      dice < 0.5
        ? { kind: "read" }
        : dice < 0.95
          ? { kind: "move", hash, expected, force: random() < 0.9 }
          : { kind: "move", hash: "", expected, force: true };
    const { pid } = client.daemon;
    const begun = performance.now();
    let answer: TagAnswer;
    try {
      answer = await ask();
    } catch (error) {
      answer = answerOf(error, call);
    }
    const ended = answer.kind === "unknown" ? Number.POSITIVE_INFINITY : performance.now();
    if (answer.kind === "stands") seen.set(tag, answer.hash);
    made.push({ tag, mark, call, answer, begun, ended });
    if (answer.kind === "unknown") await serverIsThere;
    else if (client.daemon.pid !== pid) askedAgain += 1;

    async function ask(): Promise<TagAnswer> {
      if (call.kind === "read") {
        const { hash, move } = await registry.lookUp(tag);
        return { kind: "stands", seq: move?.seq ?? -1, hash };
      }
      const options = { expectedHash: call.expected, reason: mark };
      const move =
        call.hash === ""
          ? await registry.deleteTag(tag, options)
          : await registry.tag(call.hash, tag, { ...options, force: call.force });
      return { kind: "stands", seq: move.seq, hash: move.hash };
    }
  }
  return made;
}

/** Kills a daemon, waits until its client has started it again, and kills another. */
async function killDaemons(): Promise<number> {
  const random = seeded(SEED);
  let kills = 0;
  while (performance.now() < until) {
    const client = clients[Math.floor(random() * DAEMONS)];
    if (client === undefined) throw new Error("There is no such client.");
    process.kill(client.daemon.pid, "SIGKILL");
    kills += 1;
    await client.status();
  }
  return kills;
}

/** Kills the S3 server and starts it again, from time to time; then there is still some time to work. */
async function killServer(): Promise<number> {
  let kills = 0;
  do {
    await delay(SERVER_LIFE_S * 1000);
    await server.kill9();
    gate.shut();
    kills += 1;
    serverIsThere = server.restart().then(() => gate.open());
    await serverIsThere;
    until = Math.max(until, performance.now() + 2000);
  } while (performance.now() + SERVER_LIFE_S * 1000 < until);
  return kills;
}

/** Stores models that nobody keeps, and collects. */
async function collect(spec: string): Promise<number> {
  let deleted = 0;
  for (let i = 0; performance.now() < until; i++) {
    try {
      const registry = clients[i % DAEMONS]?.registry(spec);
      await registry?.store({ operator: operator(100 + i), weights: Buffer.from(`litter ${i}`) });
      const policy = { minAgeMs: 0, keepMoves: 0, keepMovedMs: 0 };
      for await (const part of registry?.gc({ apply: true, policy }) ?? []) {
        if (part.$case === "summary") deleted += part.value.deleted;
      }
    } catch (error) {
      // A collection gives up when a server goes away in the middle.
      if (!(error instanceof PipekitError && error.code === "GC_ABORTED")) answerOf(error, { kind: "read" });
      await serverIsThere;
    }
  }
  return deleted;
}

/** The moves of a tag as a client of the first daemon is told of them, and goes on to be over its restarts. */
function watch(spec: string, tag: string, signal: AbortSignal): TagMove[] {
  const moves: TagMove[] = [];
  void (async () => {
    for await (const move of clients[0]?.registry(spec).watchTag(tag, { signal }) ?? []) moves.push(move);
  })().catch((error: unknown) => {
    if (!signal.aborted) watchers.push(error);
  });
  return moves;
}

/** The event with the answer that the log gives where the client had none; undefined when it never took effect. */
function completed(event: Made, log: readonly TagMove[]): TagEvent | undefined {
  if (event.answer.kind !== "unknown") return event;
  const move = log.find(({ reason }) => reason === event.mark);
  return move && { ...event, answer: { kind: "stands", seq: move.seq, hash: move.hash } };
}

function operator(size: number) {
  return { module: "m", class: "C", config: { size } };
}

/** What all of them give; when one fails, the others end too before it is told. */
async function allOrNone<T extends readonly unknown[]>(
  jobs: {
    [K in keyof T]: Promise<T[K]> | T[K];
  },
): Promise<[...T]> {
  const stop = (error: unknown) => {
    until = 0;
    console.error(error);
  };
  for (const job of jobs) Promise.resolve(job).catch(stop);
  await Promise.allSettled(jobs);
  return Promise.all(jobs) as Promise<[...T]>;
}

test("eight daemons on one bucket move tags linearizably, while they are killed", {
  timeout: 120_000 + SECONDS * 10_000,
}, async () => {
  const spec = server.newSpec("&poll_ms=100").replace(server.endpoint, `http://127.0.0.1:${gate.port}`);
  const first = clients[0]?.registry(spec);
  if (first === undefined) throw new Error("There is no client.");
  const hashes: string[] = [];
  for (let i = 0; i < MODELS; i++) {
    const { model } = await first.store({ operator: operator(i), weights: Buffer.from(`weights ${i}`) });
    hashes.push(model.hash);
  }
  // By all clients, so that each daemon has probed the server before it matters; the races of probes would wait for each other.
  for (const [i, client] of clients.entries()) await client.registry(spec).pin(hashes[i % MODELS] ?? "");
  const stop = new AbortController();
  const begun = performance.now();
  const begin: Made[] = [];
  for (const tag of TAGS) {
    // Who watches from the first move on is told of each.
    const { seq, hash } = await first.tag(hashes[0] ?? "", tag, { reason: "begin" });
    const call = { kind: "move", hash, expected: "", force: false } as const;
    const answer = { kind: "stands", seq, hash } as const;
    begin.push({ tag, mark: "begin", call, answer, begun, ended: performance.now() });
  }
  const watched = TAGS.map((tag) => watch(spec, tag, stop.signal));
  await expect.poll(() => watched.map(({ length }) => length), { timeout: 20_000 }).toEqual([1, 1]);
  until = performance.now() + SECONDS * 1000;
  const [made, kills, serverKills, deleted] = await allOrNone([
    Promise.all(clients.map((_, number) => work(number, spec, hashes))),
    killDaemons(),
    SERVER_DIES ? killServer() : 0,
    collect(spec),
  ]);
  const events = [...begin, ...made.flat()];
  const unknown = events.filter(({ answer }) => answer.kind === "unknown").length;
  for (const [i, tag] of TAGS.entries()) {
    const log = (await Array.fromAsync(first.history(tag))).toReversed();
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, k) => k + 1));
    expect(log.map(({ previousHash }) => previousHash)).toEqual([
      "",
      ...log.slice(0, -1).map(({ hash }) => hash),
    ]);
    // Each call moved the tag once at most.
    const marks = log.map(({ reason }) => reason);
    expect(marks.filter((mark, k) => marks.indexOf(mark) !== k)).toEqual([]);
    const mine = events.filter((event) => event.tag === tag).map((event) => completed(event, log));
    expect(linearize(mine.filter((event) => event !== undefined))).toBeDefined();
    await expect.poll(() => watched[i]?.length, { timeout: 20_000 }).toBe(log.length);
    expect(watched[i]).toEqual(log);
  }
  stop.abort();
  expect(watchers).toEqual([]);
  const findings = await Array.fromAsync(first.verify());
  expect(findings.filter(({ problems }) => problems.length > 0)).toEqual([]);
  expect(findings.map(({ hash }) => hash)).toEqual(expect.arrayContaining(hashes));
  console.log(
    `${SECONDS} s: ${events.length} calls, ${askedAgain} answered after a kill, ${unknown} not at all, ${kills} daemons and ` +
      `${serverKills} times the S3 server killed, ${deleted} models collected`,
  );
  expect(kills).toBeGreaterThan(0);
  expect(serverKills > 0).toBe(SERVER_DIES);
});
