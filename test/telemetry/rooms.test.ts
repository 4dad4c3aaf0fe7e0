/** What looks at the rooms, without a daemon: it changes nothing of what it looks at. */
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { PipekitError } from "@pipekit/proto";
import * as fc from "fast-check";
import { pino } from "pino";
import { beforeEach, expect, test } from "vitest";
import type { Answer, Setback } from "../../daemon/delivery/index.ts";
import { deliveryObserver } from "../../daemon/telemetry/delivery.ts";
import { type Instruments, instrumentsOf } from "../../daemon/telemetry/instruments.ts";
import { observedJournal } from "../../daemon/telemetry/journal.ts";
import { PrometheusPage } from "../../daemon/telemetry/prometheus.ts";
import { observedRegistries } from "../../daemon/telemetry/registry.ts";
import { openTelemetry } from "../../daemon/telemetry/telemetry.ts";
import { readTraceparent } from "../../daemon/telemetry/traceparent.ts";
import { Tracing } from "../../daemon/telemetry/tracing.ts";
import { FakeJournal } from "../support/fake-journal.ts";
import { freePort } from "../support/free-port.ts";
import { Page, readPage } from "./page.ts";
import { SpanBook } from "./span-book.ts";

let reader: PrometheusPage;
let instruments: Instruments;
let spans: SpanBook;
let tracing: Tracing;

beforeEach(() => {
  reader = new PrometheusPage();
  instruments = instrumentsOf(new MeterProvider({ readers: [reader] }).getMeter("test"));
  spans = new SpanBook();
  tracing = new Tracing(spans.tracer);
});

const page = async () => Page.parse(await reader.text());

/** A registry with parts that no stranger has, as the real one. */
class PrivateRegistry {
  readonly spec = "local:/models";
  #models = 3;

  async stat(ref: string): Promise<number> {
    if (ref === "gone") throw new PipekitError("REF_NOT_FOUND", "Gone.");
    return this.#models;
  }

  async *copyTo(target: PrivateRegistry): AsyncGenerator<number> {
    yield this.#models;
    yield target.#models;
  }

  watchTag(): string {
    return `watching ${this.#models}`;
  }
}

test("an observed registry answers as it did, also as another's target", async () => {
  const opened = new PrivateRegistry();
  const registries = observedRegistries({ open: async (_: string) => opened, size: 7 }, instruments, tracing);
  const registry = await registries.open("");
  expect(registries.size).toBe(7);
  expect(await registries.open("")).toBe(registry);
  expect(registry).toBeInstanceOf(PrivateRegistry);
  expect(await registry.stat("a")).toBe(3);
  await expect(registry.stat("gone")).rejects.toMatchObject({ code: "REF_NOT_FOUND" });
  expect(await Array.fromAsync(registry.copyTo(registry))).toEqual([3, 3]);
  for await (const _ of registry.copyTo(registry)) break;
  expect(registry.watchTag()).toBe("watching 3");
  const name = "pipekit_registry_operation_duration_seconds_count";
  const count = async (operation: string, outcome: string) =>
    (await page()).sum(name, { operation, outcome });
  expect([await count("stat", "ok"), await count("stat", "REF_NOT_FOUND")]).toEqual([1, 1]);
  expect([await count("copyTo", "ok"), await count("copyTo", "stopped")]).toEqual([1, 1]);
  const failed = spans.ended.filter((span) => span.failed);
  expect(failed.map((span) => [span.name, span.attributes["error.type"]])).toEqual([
    ["registry stat", "REF_NOT_FOUND"],
    ["registry copyTo", "stopped"],
  ]);
});

test("what is done within a call is below its span, and the caller's is above", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const call = tracing.startCall("TrackerService/StartRun", traceparent, {});
  const registries = observedRegistries({ open: async () => new PrivateRegistry() }, instruments, tracing);
  await tracing.within(call, async () => (await registries.open()).stat("a"));
  call.end();
  const [inner, outer] = spans.ended;
  expect(outer?.parent).toMatchObject({ spanId: "b7ad6b7169203331", isRemote: true });
  expect(outer?.context.traceId).toBe("0af7651916cd43dd8448eb211c80319c");
  expect(inner?.parent?.spanId).toBe(outer?.context.spanId);
});

test("a traceparent is read as it was written, and nothing else is one", () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));
  const flags = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(hex(32), hex(16), flags, (traceId, spanId, bits) => {
      const text = `00-${traceId}-${spanId}-${bits.toString(16).padStart(2, "0")}`;
      expect(readTraceparent(text)).toEqual({ traceId, spanId, traceFlags: bits & 1, isRemote: true });
      expect(readTraceparent(`${text.replace(/^00/, "cc")}-more`)).toBeDefined();
      for (const wrong of [
        `${text}-more`,
        text.slice(1),
        ` ${text}`,
        text.replace(/^00/, "ff"),
        text.toUpperCase(),
      ]) {
        if (wrong !== text) expect(readTraceparent(wrong)).toBeUndefined();
      }
    }),
  );
  expect(readTraceparent(`00-${"0".repeat(32)}-b7ad6b7169203331-01`)).toBeUndefined();
  expect(readTraceparent(`00-${"a".repeat(32)}-${"0".repeat(16)}-01`)).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => readTraceparent(text) === undefined));
});

test("calls to a tool come back as they are, and each is counted with how it ended", async () => {
  const observer = deliveryObserver(instruments, tracing);
  const call = { name: "send", kind: "mlflow", runId: "r" } as const;
  const answers: (Answer | Setback)[] = [
    { status: "ok" },
    { status: "retry", cause: "tool", reason: "later" },
    { status: "permanent", reason: "never" },
  ];
  for (const answer of answers) expect(await observer.call(call, async () => answer)).toBe(answer);
  const stop = new Error("stops");
  await expect(observer.call(call, () => Promise.reject(stop))).rejects.toBe(stop);
  const outcomes = (await page()).by("pipekit_delivery_call_duration_seconds_count", "outcome");
  expect(outcomes).toEqual({ ok: 1, retry: 1, permanent: 1, stopped: 1 });
  expect(spans.ended.map((span) => span.attributes["error.type"])).toEqual([
    undefined,
    "retry",
    "permanent",
    "stopped",
  ]);
});

test("losses that writers tell as sums are added up, whatever order they come in", async () => {
  const word = fc.record({ writer: fc.constantFrom("a", "b", "c"), points: fc.nat({ max: 1000 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
      const fresh = new PrometheusPage();
      const own = instrumentsOf(new MeterProvider({ readers: [fresh] }).getMeter("test"));
      const fake = new FakeJournal();
      fake.append = async () => "appended";
      const journal = observedJournal(fake, own);
      for (const [seq, { writer, points }] of words.entries()) {
        const record = { $case: "tags", value: { tags: { "pipekit.dropped_points": `${points}` } } } as const;
        await journal.append({ writerId: writer, seq, runId: "r", records: [{ record }] }, []);
      }
      const most = Map.groupBy(words, ({ writer }) => writer);
      const sum = [...most.values()].reduce(
        (all, of) => all + Math.max(...of.map(({ points }) => points)),
        0,
      );
      expect(Page.parse(await fresh.text()).sum("pipekit_client_dropped_total")).toBe(sum);
    }),
    { numRuns: 30 },
  );
});

test("an append that fails fails as it did", async () => {
  const fake = new FakeJournal();
  const full = new PipekitError("STORAGE_FULL", "Full.");
  fake.append = () => Promise.reject(full);
  const journal = observedJournal(fake, instruments);
  await expect(journal.append({ writerId: "w", seq: 1, runId: "r", records: [] }, [])).rejects.toBe(full);
  expect((await page()).by("pipekit_journal_append_duration_seconds_count", "outcome")).toEqual({
    STORAGE_FULL: 1,
  });
});

test("frames of processes that died are counted by what became of them, and a notebook still writes", async () => {
  const port = await freePort();
  const settings = {
    metrics: { host: "127.0.0.1", port, isToken: undefined },
    otlp: undefined,
    traceRatio: 0,
  };
  const telemetry = openTelemetry(settings, { version: "1", stateFolder: "/s" }, pino({ level: "silent" }));
  await telemetry.start(() => 5);
  try {
    telemetry.drained(Promise.resolve({}));
    telemetry.drained(Promise.resolve({ rejection: { code: "RUN_ENDED" } }));
    telemetry.drained(Promise.reject(new Error("full")));
    const book = {
      written: [] as string[],
      note: ({ outcome }: { outcome: string }) => void book.written.push(outcome),
    };
    telemetry.refusals(book).note({ outcome: "UNAUTHENTICATED" });
    expect(book.written).toEqual(["UNAUTHENTICATED"]);
    const shown = await readPage(port);
    expect(shown.by("pipekit_spool_frames_total", "outcome")).toEqual({ taken: 1, refused: 1, failed: 1 });
    expect(shown.by("pipekit_access_refusals_total", "outcome")).toEqual({ UNAUTHENTICATED: 1 });
    expect(shown.sum("pipekit_rpc_open_calls")).toBe(5);
  } finally {
    await telemetry.end(100);
  }
});
