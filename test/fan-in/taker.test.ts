import type { IncomingMessage, MessageStream } from "@pipekit/adapters/stream";
import { ForwardedFrames, type Frame, PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { pino } from "pino";
import { expect, test } from "vitest";
import { FrameTaker } from "../../daemon/fan-in/frame-taker.ts";
import { parcels, piecesOf } from "../../daemon/fan-in/packing.ts";
import type { Parking } from "../../daemon/fan-in/parking.ts";
import { Taker } from "../../daemon/fan-in/taker.ts";
import { frame, metrics, newId } from "../journal/fixture.ts";

const log = pino({ level: "silent" });

/** A journal that keeps writers and seqs, and fails now and then in a way that passes. */
class Target {
  readonly frames: string[] = [];
  readonly #last = new Map<string, number>();
  #calls = 0;

  readonly #failEvery: number;

  constructor(failEvery: number) {
    this.#failEvery = failEvery;
  }

  async lastSeq(writerId: string): Promise<number> {
    return this.#last.get(writerId) ?? 0;
  }

  async append(one: Frame) {
    if (++this.#calls % this.#failEvery === 0) throw new PipekitError("STORAGE_FULL", "No room.");
    const known = this.#last.get(one.writerId) ?? 0;
    if (one.seq > known + 1) throw new PipekitError("INVALID_FRAME", "A gap.");
    if (one.seq === known + 1) {
      this.#last.set(one.writerId, one.seq);
      if (one.records.length > 0) this.frames.push(`${one.writerId} ${one.seq}`);
    }
    return { onDisk: Promise.resolve() };
  }
}

/** A stream that gives messages in the order of `deal`, and again what was not acknowledged. */
class Dealt implements MessageStream {
  readonly left: Map<number, { source: string; body: Uint8Array; part: { number: number; of: number } }>;
  readonly #deal: number[];
  readonly empty = Promise.withResolvers<void>();

  constructor(
    messages: { source: string; body: Uint8Array; part: { number: number; of: number } }[],
    deal: number[],
  ) {
    this.left = new Map(messages.entries());
    this.#deal = deal;
  }

  async maxBytes() {
    return 1;
  }

  async publish() {
    return { status: "ok" as const };
  }

  async *messages(signal: AbortSignal): AsyncGenerator<IncomingMessage> {
    // First as dealt, perhaps twice and out of order; then again and again what is left.
    let queue = this.#deal.filter((number) => this.left.has(number));
    while (this.left.size > 0 && !signal.aborted) {
      for (const number of queue) {
        const message = this.left.get(number);
        if (message === undefined) continue;
        yield {
          ...message,
          number,
          done: () => {
            this.left.delete(number);
          },
          again: () => {},
          working: () => {},
        };
      }
      await new Promise((next) => setImmediate(next));
      queue = [...this.left.keys()].sort((a, b) => a - b);
    }
    this.empty.resolve();
  }

  async close() {}
}

/** What two nodes journal: writers of some frames each, with gaps where records were refused. */
const journals = fc.array(
  fc.array(fc.record({ writer: fc.nat(2), gap: fc.constantFrom(0, 0, 0, 1, 3) }), {
    minLength: 1,
    maxLength: 12,
  }),
  { minLength: 1, maxLength: 2 },
);

test("whatever comes twice, too early or while the disk is full: each frame is taken once, in its writer's order", async () => {
  await fc.assert(
    fc.asyncProperty(
      journals,
      fc.integer({ min: 120, max: 400 }),
      fc.infiniteStream(fc.nat(30)),
      fc.integer({ min: 2, max: 9 }),
      async (nodes, maxBytes, deal, failEvery) => {
        const expected: string[] = [];
        const messages = nodes.flatMap((steps) => {
          const source = newId();
          const ids = [newId(), newId(), newId()];
          const seqs = [0, 0, 0];
          const frames = steps.map(({ writer, gap }, i) => {
            seqs[writer] = (seqs[writer] ?? 0) + 1 + gap;
            const seq = seqs[writer] as number;
            expected.push(`${ids[writer]} ${seq}`);
            return {
              position: i + 1,
              frame: frame(newId(), ids[writer] as string, seq, metrics({ a: [i] })),
            };
          });
          const whole = [...parcels(frames, { source, lastSeq: () => 0 }, maxBytes)];
          return whole.flatMap(({ body }) => {
            const pieces = piecesOf(body, maxBytes);
            return pieces.map((piece, i) => ({
              source,
              body: piece,
              part: { number: i + 1, of: pieces.length },
            }));
          });
        });
        const target = new Target(failEvery);
        const order = Array.from(
          { length: 3 * messages.length },
          () => Number(deal.next().value) % messages.length,
        );
        const stream = new Dealt(messages, order);
        const parking = {
          count: 0,
          park: async () => expect.fail("nothing is poison"),
        } as unknown as Parking;
        const frames = new FrameTaker(target, log);
        const taker = new Taker({ stream, frames, parking, log, firstPauseMs: 0 });
        taker.start();
        await stream.empty.promise;
        await taker.stop();
        expect([...target.frames].sort()).toEqual([...expected].sort());
        expect(frames.refused).toBe(0);
        // Each writer's frames rise.
        const last = new Map<string, number>();
        for (const [writerId, seq] of target.frames.map((text) => text.split(" ") as [string, string])) {
          expect(Number(seq)).toBeGreaterThan(last.get(writerId) ?? 0);
          last.set(writerId, Number(seq));
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("a body of frames that cannot be read is poison, and so are pieces that say nothing of themselves", async () => {
  const whole = ForwardedFrames.encode({ frames: [] }).finish();
  const stream = new Dealt(
    [
      { source: "a", body: Buffer.from("\xff\xffnot"), part: { number: 1, of: 1 } },
      { source: "a", body: whole, part: { number: 1, of: 1 } },
      { source: "", body: whole, part: { number: 1, of: 1 } },
    ],
    [0, 1, 2],
  );
  let parked = 0;
  const parking = { count: 0, park: async () => void parked++ } as unknown as Parking;
  const taker = new Taker({ stream, frames: new FrameTaker(new Target(100), log), parking, log });
  taker.start();
  await stream.empty.promise;
  await taker.stop();
  expect(parked).toBe(3);
});
