/** The serving example under load: promotions, a killed daemon, a deleted tag, a corrupt model; no request is lost. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type Registry } from "@pipekit/experiment";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FollowEvent, FollowedModel } from "../../clients/typescript/examples/followed-model.ts";
import { serve } from "../../clients/typescript/examples/serving.ts";
import { gone } from "../support/gone.ts";
import { pipekitEnv } from "./demo/processes.ts";

const PER_SECOND = 200;
const PROMOTIONS = 10;

interface Answer {
  readonly status: number;
  readonly y: number;
  readonly model: string;
  readonly from: number;
  readonly to: number;
}

let home: string;
let client: Client;
let registry: Registry;
let events: (FollowEvent & { readonly at: number })[];
let server: Awaited<ReturnType<typeof serve>>;

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  client = await connect({ env: pipekitEnv(home) });
  registry = client.registry();
  events = [];
  const told = (event: FollowEvent) => events.push({ ...event, at: performance.now() });
  server = await serve({ registry, tag: "production", port: 0, told });
});

afterEach(async () => {
  await server.stop();
  const { pid } = client.daemon;
  await client.shutdown().catch(() => undefined);
  await gone(pid);
  client.close();
  rmSync(home, { recursive: true, force: true });
});

/** Stores the model whose answer to `[1]` is `y`. */
async function storeModel(y: number): Promise<string> {
  const operator = { module: "nets", class: "Linear", config: { y } };
  const weights = Buffer.from(JSON.stringify({ weights: [y - 1], bias: 1 }));
  return (await registry.store({ operator, weights, weightsFormat: "json" })).model.hash;
}

async function predict(): Promise<Answer> {
  const from = performance.now();
  const response = await fetch(`${server.url}/predict`, { method: "POST", body: '{"x":[1]}' });
  const told = (await response.json()) as { y: number; model: string };
  return { status: response.status, ...told, from, to: performance.now() };
}

async function health(): Promise<{ status: number; model?: string; problem: string }> {
  const response = await fetch(`${server.url}/health`);
  return { status: response.status, ...((await response.json()) as { problem: string }) };
}

/** Waits for what the follower tells of a move. */
function happened(kind: FollowEvent["kind"], seq: number): Promise<number> {
  return vi.waitFor(
    () => {
      const event = events.find((candidate) => candidate.kind === kind && candidate.move?.seq === seq);
      if (event === undefined) throw new Error(`Move ${seq} is not ${kind} yet.`);
      return event.at;
    },
    { timeout: 20_000, interval: 2 },
  );
}

/** Asks so many times a second until it is stopped. */
class Traffic {
  readonly #asked: Promise<Answer>[] = [];
  readonly #began = performance.now();
  readonly #timer = setInterval(() => {
    const due = ((performance.now() - this.#began) * PER_SECOND) / 1000;
    while (this.#asked.length < due) this.#asked.push(predict());
  }, 2);

  /** Resolves when so many more requests were made. */
  async more(count: number): Promise<void> {
    const goal = this.#asked.length + count;
    await vi.waitFor(() => expect(this.#asked.length).toBeGreaterThan(goal), {
      timeout: 20_000,
      interval: 5,
    });
  }

  /** Resolves to all answers. */
  stop(): Promise<Answer[]> {
    clearInterval(this.#timer);
    return Promise.all(this.#asked);
  }
}

test("ten promotions and a killed daemon under load lose no request", async () => {
  const models = [await storeModel(2), await storeModel(3)];
  const answerOf = new Map(models.map((hash, i) => [hash, i + 2]));
  const first = await registry.tag(models[0] ?? "", "production");
  await happened("serving", first.seq);
  /** When each model was the one to serve: from before its promotion until the server had the next one. */
  const stays = [{ hash: first.hash, from: 0, to: Number.POSITIVE_INFINITY }];
  const seen: number[] = [];
  const switched: number[] = [];
  const traffic = new Traffic();
  for (let i = 1; i <= PROMOTIONS; i++) {
    if (i === PROMOTIONS / 2) {
      const { pid } = client.daemon;
      process.kill(pid, "SIGKILL");
      await gone(pid);
    }
    const from = performance.now();
    const move = await registry.tag(models[i % 2] ?? "", "production", { force: true });
    const tagged = performance.now();
    const [at, serving] = await Promise.all([happened("moved", move.seq), happened("serving", move.seq)]);
    seen.push(at - tagged);
    switched.push(serving - tagged);
    Object.assign(stays.at(-1) ?? {}, { to: serving });
    stays.push({ hash: move.hash, from, to: Number.POSITIVE_INFINITY });
    await traffic.more(20);
  }
  const answers = await traffic.stop();

  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  expect(answers.filter(({ y, model }) => y !== answerOf.get(model))).toEqual([]);
  const strange = answers.filter(
    ({ model, from, to }) => !stays.some((stay) => stay.hash === model && stay.from <= to && stay.to >= from),
  );
  expect(strange).toEqual([]);
  expect(answers.length).toBeGreaterThan(PROMOTIONS * 20);
  expect(new Set(answers.map(({ model }) => model)).size).toBe(2);
  const ms = (values: number[]) => values.map((value) => Math.max(0, value).toFixed(1)).join(" ");
  const waits = answers.map(({ from, to }) => to - from).sort((a, b) => a - b);
  console.log(
    `${answers.length} requests, none lost; slowest ${waits.at(-1)?.toFixed(0)} ms\n` +
      `from the answer of tag() to the watcher, ms (0: the watcher was first): ${ms(seen)}\n` +
      `from the answer of tag() to the server, ms: ${ms(switched)}; before the ${PROMOTIONS / 2}th the daemon was killed`,
  );
});

test("without a model it says so; a deleted tag and a corrupt model leave the last good one", async () => {
  expect(await predict()).toMatchObject({ status: 503 });
  expect((await health()).status).toBe(503);
  const good = await storeModel(2);
  const bad = await storeModel(3);
  const no = await registry.store({
    operator: { module: "nets", class: "Linear", config: {} },
    weights: Buffer.from("{}"),
  });
  await registry.tag(good, "production");
  await happened("serving", 1);
  expect(await health()).toMatchObject({ status: 200, model: good, problem: "" });

  const file = join(home, "state", "models", bad, "weights.bin");
  chmodSync(file, 0o600);
  writeFileSync(file, '{"weights":[9],"bias":9}');
  await registry.tag(bad, "production", { force: true });
  await happened("failed", 2);
  expect(await predict()).toMatchObject({ status: 200, model: good, y: 2 });
  expect(await health()).toMatchObject({ status: 200, model: good, problem: expect.stringContaining(bad) });

  await registry.tag(no.model.hash, "production", { force: true });
  await happened("failed", 3);
  expect(await health()).toMatchObject({
    model: good,
    problem: expect.stringContaining("no linear weights"),
  });

  await registry.deleteTag("production", { reason: "out of service" });
  await happened("deleted", 4);
  expect(await predict()).toMatchObject({ status: 200, model: good });
  expect((await health()).problem).toMatch(/production was deleted by .+@/);

  const next = await storeModel(4);
  await registry.tag(next, "production");
  await happened("serving", 5);
  expect(await predict()).toMatchObject({ status: 200, model: next, y: 4 });
  expect((await health()).problem).toBe("");
});

test("the old model is closed when its last request ends; a promotion that is overtaken never serves", async () => {
  const [a, b, c] = [await storeModel(2), await storeModel(3), await storeModel(4)];
  const closed: string[] = [];
  const kinds: string[] = [];
  const followed = new FollowedModel<string>({
    registry,
    tag: "staging",
    open: async ({ model }, signal) => {
      if (model.hash === b) await new Promise((done) => signal.addEventListener("abort", done));
      return model.hash;
    },
    close: (hash) => void closed.push(hash),
    told: ({ kind, move }) => kinds.push(`${kind} ${move?.seq}`),
  });
  const told = (event: string) =>
    vi.waitFor(() => expect(kinds).toContain(event), { timeout: 20_000, interval: 2 });
  await registry.tag(a, "staging");
  await told("serving 1");
  const { promise: free, resolve: end } = Promise.withResolvers<void>();
  const slow = followed.use(async (model) => {
    await free;
    return model;
  });
  await registry.tag(b, "staging", { force: true });
  await told("moved 2");
  await registry.tag(c, "staging", { force: true });
  await told("serving 3");
  expect(await followed.use((model) => model)).toBe(c);
  expect(closed).toEqual([b]);
  end();
  expect(await slow).toBe(a);
  expect(closed).toEqual([b, a]);
  expect(kinds).toEqual(["moved 1", "serving 1", "moved 2", "moved 3", "serving 3"]);
  await followed.stop();
  expect(closed).toEqual([b, a, c]);
});
