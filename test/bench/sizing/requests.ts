/** Requests that operations of a registry in a bucket make, counted by a proxy before a real S3 server. */
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Registry } from "@pipekit/experiment";
import { startDaemon, type TestDaemon } from "../../support/daemon.ts";
import { type S3Proxy, startS3Proxy } from "../../support/s3-server-proxy.ts";
import { BUCKET, type S3Server, startSeaweed } from "../../support/seaweed.ts";
import { BUNDLE } from "../bundle.ts";
import { residentBytes } from "../machine.ts";
import { costOf, mib } from "../process-cost.ts";
import { s3Spec } from "../remote-models.ts";
import type { Section } from "./section.ts";

const MANY = 100;
/** A lease is dropped behind the answer. */
const BEHIND_MS = 300;
const MIB = 2 ** 20;
const POLL_MS = 500;
const WATCH_MS = 6000;
const WATCHED = 100;
/** So many reads tell what one takes of the processor. */
const ENOUGH = 500;

/** What a request is paid as; deletes cost nothing. */
const PAID: readonly (readonly [string, RegExp])[] = [
  ["write", /^(?:Put|Copy|Create|Upload|Complete)/],
  ["list", /^List/],
  ["read", /^(?:Get|Head)/],
  ["delete", /^(?:Delete|Abort)/],
];

const model = (version: number, size = 0) => ({
  operator: { module: "bench", class: "Sized", config: { version } },
  ...(size > 0 && { weights: Buffer.alloc(size, version % 251) }),
});

/** Of each operation, through a daemon that has no model in its cache. */
export async function requests(): Promise<Section[]> {
  const s3 = await startSeaweed();
  const proxy = await startS3Proxy(s3.endpoint);
  const daemon = await startDaemon({ script: BUNDLE, env: s3.env() });
  try {
    return [await operations(daemon, proxy, s3), await watching(daemon, proxy)];
  } finally {
    await daemon.stop();
    await proxy.stop();
    await s3.stop();
  }
}

async function operations(daemon: TestDaemon, proxy: S3Proxy, s3: S3Server): Promise<Section> {
  const spec = s3Spec(proxy.endpoint, BUCKET);
  const elsewhere = await startDaemon({ script: BUNDLE, env: s3.env() });
  const [client, reader] = await Promise.all(
    [daemon, elsewhere].map(({ endpoint }) => connect({ endpoint })),
  );
  const [registry, cold] = [client, reader].map((one) => one?.registry(spec));
  if (registry === undefined || cold === undefined) throw new Error("There is no client.");
  const rows: string[][] = [];
  const count = async (name: string, work: () => Promise<unknown>, of = 1) => {
    await delay(BEHIND_MS);
    proxy.requests.length = 0;
    await work();
    await delay(BEHIND_MS);
    const seen = proxy.requests.map(({ operation }) => operation);
    const numbers = PAID.map(([, is]) => seen.filter((operation) => is.test(operation)).length / of);
    rows.push([name, ...numbers.map((number) => String(Number(number.toFixed(2))))]);
  };
  try {
    await count("a daemon's first store: the server is tried", () => registry.store(model(0, 1000)));
    const { hash } = (await registry.store(model(1, 1000))).model;
    await registry.tag(hash, "production");
    await count("store 1 kB", () => registry.store(model(2, 1000)));
    await count("store it again", () => registry.store(model(2, 1000)));
    await count("store 24 MiB, in 3 parts", () => registry.store(model(3, 24 * MIB)));
    const next = (await registry.hash(model(2, 1000))).hash;
    await count("promote", () => registry.tag(next, "production", { force: true }));
    await count("resolve a tag", () => cold.resolve("production"));
    await count("load by tag, for the first time", () => cold.load("production"));
    await count("load by tag, again", () => cold.load("production"));
    await count("load by hash, again", () => cold.load(next));
    await count(`store, each of ${MANY}`, () => storeMany(registry), MANY);
    await count("list, for each model", () => Array.fromAsync(registry.list()), MANY);
    await count("list again, for each model", () => Array.fromAsync(registry.list()), MANY);
    await count("plan a collection, for each model", () => collect(registry, false), MANY);
    await count("collect, for each model", () => collect(registry, true), MANY);
  } finally {
    client?.close();
    reader?.close();
    await elsewhere.stop();
  }
  return {
    title: "Requests to the bucket",
    header: ["operation", ...PAID.map(([name]) => name)],
    rows,
    note: `Those "for each model" are of a registry of ${MANY}: what an operation costs once is in them, shared out. The daemon's memory afterwards: ${mib(residentBytes(daemon.pid))}.`,
  };
}

async function storeMany(registry: Registry): Promise<void> {
  for (let version = 0; version < MANY; version++) await registry.store(model(1000 + version, 1000));
}

/** Everything that nothing keeps. */
async function collect(registry: Registry, apply: boolean): Promise<void> {
  await Array.fromAsync(registry.gc({ apply, policy: { minAgeMs: 0, keepMoves: 0, keepMovedMs: 0 } }));
}

/** Looks of watchers, of one daemon, at tags of which none moves. */
async function watching(daemon: TestDaemon, proxy: S3Proxy): Promise<Section> {
  const client = await connect({ endpoint: daemon.endpoint });
  const registry = client.registry(`${s3Spec(proxy.endpoint, BUCKET)}&poll_ms=${POLL_MS}`);
  const { hash } = (await registry.store(model(5000))).model;
  const names = Array.from({ length: WATCHED }, (_, i) => `watched-${i}`);
  for (const name of names) await registry.tag(hash, name);
  const rows: string[][] = [];
  for (const [what, tags] of [
    ["one watcher of one tag", names.slice(0, 1)],
    [`${WATCHED} watchers of one tag`, names.map(() => "watched-0")],
    [`one watcher of each of ${WATCHED} tags`, names],
  ] as const) {
    const stop = new AbortController();
    const watches = tags.map((name) =>
      registry.watchTag(name, { signal: stop.signal })[Symbol.asyncIterator](),
    );
    await Promise.all(watches.map((watch) => watch.next()));
    const further = watches.map((watch) => watch.next().catch(() => undefined));
    proxy.requests.length = 0;
    const { cpuS, wallS } = await costOf(daemon.pid, () => delay(WATCH_MS));
    const looks = proxy.requests.length;
    stop.abort();
    await Promise.all(further);
    const polls = (wallS * 1000) / POLL_MS;
    rows.push([
      what,
      `${looks} in ${wallS.toFixed(1)} s`,
      `${(looks / polls).toFixed(2)}`,
      looks > ENOUGH ? `${((cpuS / looks) * 1000).toFixed(2)} ms` : "",
    ]);
  }
  client.close();
  return {
    title: "Watching tags in a bucket",
    header: [
      `poll_ms=${POLL_MS}`,
      "reads",
      "reads for each poll_ms",
      "the daemon's processor time for a read",
    ],
    rows,
  };
}
