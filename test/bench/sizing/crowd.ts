/**
 * Many clients of one daemon over TLS, in a process of its own, each with a channel and a run: forked with the daemon's
 * URL, the file of its authority and a file of tokens, one a line, which are shared out.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Channel, credentials, Metadata } from "@grpc/grpc-js";
import { type Frame, type LogResponse, packRows, RunStart, TrackerServiceClient } from "@pipekit/proto";
import { ulid } from "ulid";
import { quantile } from "../report.ts";

/** What the parent asks for: so many clients in all, or each to log a row of ten values a second for some time. */
export type Order =
  | { readonly kind: "grow"; readonly clients: number }
  | { readonly kind: "log"; readonly seconds: number };

/** What it is told. */
export interface Done {
  readonly acks: number;
  /** From a frame until it was on the daemon's disk, milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

const KEYS = Array.from({ length: 10 }, (_, i) => `train/metric${i}`);
/** Connections that prove nothing yet are few by the daemon's limits. */
const AT_ONCE = 8;

const [url = "", caFile = "", tokenFile = ""] = process.argv.slice(2);
const ca = readFileSync(caFile);
const tokens = readFileSync(tokenFile, "utf8").trim().split("\n");

class OneClient {
  readonly #stream: ReturnType<TrackerServiceClient["log"]>;
  readonly #runId = ulid();
  readonly #writerId = ulid();
  #seq = 0;
  #acked = Promise.withResolvers<void>();

  constructor(token: string) {
    const target = new URL(url).host;
    const tls = credentials.createSsl(ca);
    // Each has a connection of its own, as processes have.
    const channel = new Channel(target, tls, { "grpc.use_local_subchannel_pool": 1 });
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${token}`);
    this.#stream = new TrackerServiceClient(target, tls, { channelOverride: channel }).log(metadata);
    this.#stream.on("data", ({ rejection }: LogResponse) => {
      if (rejection === undefined) this.#acked.resolve();
      else this.#acked.reject(new Error(`${rejection.code}: ${rejection.message}`));
    });
    this.#stream.on("error", (error: Error) => this.#acked.reject(error));
  }

  start(): Promise<number> {
    const value = RunStart.fromPartial({ name: "sizing", startedAtUs: Date.now() * 1000 });
    return this.#send({ $case: "start", value });
  }

  log(step: number): Promise<number> {
    const values = KEYS.map((_, i) => step * 0.37 + i);
    const rows = [{ keys: KEYS, step, timeUs: Date.now() * 1000, values }];
    return this.#send({ $case: "metrics", value: packRows(rows) });
  }

  /** Milliseconds until the frame was acknowledged. */
  async #send(record: NonNullable<Frame["records"][number]["record"]>): Promise<number> {
    const begun = performance.now();
    this.#acked = Promise.withResolvers();
    const frame = { writerId: this.#writerId, seq: ++this.#seq, runId: this.#runId, records: [{ record }] };
    this.#stream.write({ frame });
    await this.#acked.promise;
    return performance.now() - begun;
  }
}

const clients: OneClient[] = [];

/** Opens connections until there are so many. */
async function grow(count: number): Promise<number[]> {
  const times: number[] = [];
  while (clients.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - clients.length) }, (_, i) => {
      return new OneClient(tokens[(clients.length + i) % tokens.length] ?? "");
    });
    times.push(...(await Promise.all(some.map((client) => client.start()))));
    clients.push(...some);
  }
  return times;
}

/** Each logs once a second, at a moment of its own. */
async function log(seconds: number): Promise<number[]> {
  const times = clients.map(async (client, i) => {
    const taken: number[] = [];
    await delay((1000 * i) / clients.length);
    for (let step = 0; step < seconds; step++) {
      const took = await client.log(step);
      taken.push(took);
      await delay(Math.max(0, 1000 - took));
    }
    return taken;
  });
  return (await Promise.all(times)).flat();
}

process.on("message", (order: Order) => {
  const work = order.kind === "grow" ? grow(order.clients) : log(order.seconds);
  work.then(
    (times) => process.send?.({ acks: times.length, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on("disconnect", () => process.exit(0));
