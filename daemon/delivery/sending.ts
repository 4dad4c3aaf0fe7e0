import type { SendResult } from "@pipekit/adapters/tracker";
import type { Batch } from "./batch.ts";
import type { Setback } from "./exchange.ts";
import { settle } from "./settle.ts";
import type { Sink } from "./sink.ts";

/** Sends the next batch and settles it, while the one after it is read. */
export async function sendBatch(sink: Sink): Promise<void> {
  const sent: { batch?: Batch } = {};
  const answer = await sink.call<SendResult>({
    name: "send",
    wait: () => sink.rewind(),
    run: async (signal) => {
      await sink.source.fill(sink.batchLimits);
      const batch = sink.source.take();
      sent.batch = batch;
      sink.isBehind = batch.isFull(sink.session.adapter.properties);
      sink.source.prefetch(sink.session.adapter.properties);
      return handOver(sink, batch, signal);
    },
  });
  if (answer.status === "retry" || sent.batch === undefined) sink.rewind(sent.batch?.records.length);
  else await settleBatch(sink, sent.batch, answer);
}

/** Gives a batch to the adapter, with more time where it has files. */
export async function handOver(sink: Sink, batch: Batch, signal: AbortSignal): Promise<SendResult | Setback> {
  const { limits, crashpoint } = sink.parts;
  crashpoint("before-send");
  sink.seatedBatches++;
  const extraMs = (batch.fileBytes / limits.slowestBytesPerSecond) * 1000;
  const answer = await sink.session.adapter.send(batch.records, extraMs, signal);
  crashpoint("after-send");
  return answer;
}

/** Moves the cursor by what is settled, and saves it as soon as the tool's habits ask for it. */
async function settleBatch(sink: Sink, batch: Batch, answer: SendResult): Promise<void> {
  const { ledger, session, entry } = sink;
  const { place, whole, pointsSent, pointsDead, deadLetters } = settle(entry, batch, answer);
  const reason = deadLetters[0]?.reason ?? "";
  sink.settled(place.part);
  sink.parts.observer?.settled(sink.kind, { taken: pointsSent, refused: pointsDead });
  ledger.update({
    cursor: place.cursor,
    pointsSent: entry.pointsSent + pointsSent,
    pointsDead: entry.pointsDead + pointsDead,
    memo: session.takeMemo() ?? entry.memo,
  });
  if (whole) ledger.update({ state: "sending", lastError: reason, retryAtUs: 0 });
  else sink.rewind();
  if (deadLetters.length > 0) sink.log.warn({ reason, pointsDead }, "a sink refuses records");
  const replayIsHarmless = session.isOpen && session.adapter.properties.idempotentReplay;
  if (deadLetters.length > 0 || !replayIsHarmless) await ledger.save(deadLetters);
  else if (ledger.isDue(sink.parts.limits)) ledger.saveSoon();
}
