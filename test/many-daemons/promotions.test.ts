/**
 * Eight daemons with state folders of their own share one registry in one bucket of a real S3 server; no one leads. Their clients
 * promote, roll back, delete and read the same tags, another watches, a collector deletes what nothing keeps, and daemons are
 * killed by kill -9 and started again. What the clients saw is linearizable, and the log has each move once.
 * `$PKX_FAULT_SECONDS` (8) is how long, `$PKX_FAULT_SEED` (1) what is drawn.
 */
import { type Client, connect, PipekitError, type TagMove } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { linearize, type TagAnswer, type TagCall, type TagEvent } from "../support/linearizability.ts";
import { seeded } from "../support/random.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";

const DAEMONS = 8;
const SECONDS = Number(process.env["PKX_FAULT_SECONDS"] ?? "8");
const SEED = Number(process.env["PKX_FAULT_SEED"] ?? "1");
const TAGS = ["production", "candidate"];
const MODELS = 5;

let server: S3Server;
const daemons: TestDaemon[] = [];
const clients: Client[] = [];
/** Resolves when the daemon at a place, which was killed, is there again. */
const back = new Map<number, Promise<void>>();
/** Why a watcher ended before it was told to. */
const watchers: unknown[] = [];
beforeAll(async () => {
  server = await startSeaweed();
  const started = Array.from({ length: DAEMONS }, () => start(temporaryHome()));
  daemons.push(...(await Promise.all(started)));
  for (const { endpoint } of daemons) clients.push(await connect({ endpoint }));
});
afterAll(async () => {
  for (const client of clients) client.close();
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  await server.stop();
});

function start(home: string): Promise<TestDaemon> {
  return startDaemon({ home, env: server.env(), args: ["--idle-exit-s", "0"], timeoutMs: 60_000 });
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
async function work(number: number, spec: string, hashes: readonly string[], until: number): Promise<Made[]> {
  const random = seeded(SEED * 1000 + number);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const made: Made[] = [];
  const seen = new Map<string, string>();
  while (performance.now() < until) {
    const client = clients[number];
    if (client === undefined) throw new Error("There is no such client.");
    const registry = client.registry(spec);
    const [tag, hash, mark, dice] = [pick(TAGS), pick(hashes), `${number}-${made.length}`, random()];
    const expected = random() < 0.5 ? (seen.get(tag) ?? "") : "";
    const call: TagCall =
      dice < 0.5
        ? { kind: "read" }
        : dice < 0.95
          ? { kind: "move", hash, expected, force: random() < 0.9 }
          : { kind: "move", hash: "", expected, force: true };
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
    if (answer.kind === "unknown") await back.get(number);

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

/** Kills a daemon and starts it again, one after another; the clients find the new one at the same address. */
async function kill(until: number): Promise<number> {
  const random = seeded(SEED);
  let kills = 0;
  while (performance.now() < until) {
    const place = Math.floor(random() * DAEMONS);
    const daemon = daemons[place];
    if (daemon === undefined) throw new Error("There is no such daemon.");
    const { promise, resolve } = Promise.withResolvers<void>();
    back.set(place, promise);
    await daemon.kill9();
    kills += 1;
    daemons[place] = await start(daemon.home);
    resolve();
  }
  return kills;
}

/** Stores models that nobody keeps, and collects. */
async function collect(spec: string, until: number): Promise<number> {
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
      answerOf(error, { kind: "read" });
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

test("eight daemons on one bucket move tags linearizably, while they are killed", {
  timeout: 120_000 + SECONDS * 10_000,
}, async () => {
  const spec = server.newSpec("&poll_ms=100");
  const first = clients[0]?.registry(spec);
  if (first === undefined) throw new Error("There is no client.");
  const hashes: string[] = [];
  for (let i = 0; i < MODELS; i++) {
    const { model } = await first.store({ operator: operator(i), weights: Buffer.from(`weights ${i}`) });
    await first.pin(model.hash, { reason: "moved to by this test" });
    hashes.push(model.hash);
  }
  const stop = new AbortController();
  const watched = TAGS.map((tag) => watch(spec, tag, stop.signal));
  const until = performance.now() + SECONDS * 1000;
  const [made, kills, deleted] = await Promise.all([
    Promise.all(daemons.map((_, number) => work(number, spec, hashes, until))),
    kill(until),
    collect(spec, until),
  ]);
  const events = made.flat();
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
    `${SECONDS} s: ${events.length} calls, ${unknown} without an answer, ${kills} kills, ${deleted} models collected`,
  );
  expect(kills).toBeGreaterThan(0);
});
