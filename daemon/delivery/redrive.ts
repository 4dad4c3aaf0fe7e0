import type { SendResult, SinkRecord } from "@pipekit/adapters/tracker";
import type { DeadLetterEntry, DeadLetterQuery, Journal, NewDeadLetter } from "../journal/journal.ts";
import { Batch, type BatchLimits } from "./batch.ts";
import type { LetterProgress } from "./letters.ts";
import type { SinkParts } from "./parts.ts";
import { handOver } from "./sending.ts";
import { settle } from "./settle.ts";
import type { Sink } from "./sink.ts";
import { Source } from "./source.ts";

const PAGE = 500;

/**
 * Sends a dead letter of records once more; undefined when that has to be tried again. The letter goes, and what was
 * refused again or is left comes, in one save with the counts and the adapter's memo, before anything else is sent.
 * A crash between send and save leaves the letter with the memo of before: the next `open` takes back what was
 * written beyond that memo, and where a tool has no way to do so a replay is harmless (`idempotentReplay`), so that
 * the letter may be re-driven again.
 */
export async function redriveLetter(
  sink: Sink,
  letter: DeadLetterEntry,
): Promise<LetterProgress | undefined> {
  const sent: { batch?: Batch } = {};
  const answer = await sink.call<SendResult>({
    name: "send",
    run: async (signal) => {
      const batch = await readLetter(sink.parts, letter, sink.session.adapter.properties);
      sent.batch = batch;
      if (batch.records.length === 0) {
        return { status: "permanent", reason: "The journal no longer has these records." };
      }
      return handOver(sink, batch, signal);
    },
  });
  if (answer.status === "retry" || sent.batch === undefined) return undefined;
  return settleLetter(sink, letter, sent.batch, answer);
}

async function settleLetter(
  sink: Sink,
  letter: DeadLetterEntry,
  batch: Batch,
  answer: SendResult,
): Promise<LetterProgress | undefined> {
  const { entry, ledger, session } = sink;
  const { place, whole, pointsSent, pointsDead, deadLetters } = settle(entry, batch, answer);
  const refused = answer.status === "permanent" && batch.records.length === 0;
  if (!whole && pointsSent + pointsDead === 0) return undefined;
  const { id, atUs: _, ...old } = letter;
  const points = refused ? 0 : letter.points - pointsSent - pointsDead;
  const rest: NewDeadLetter[] = points > 0 ? [{ ...old, points, from: place.cursor }] : [];
  sink.parts.observer?.settled(sink.kind, {
    taken: pointsSent,
    refused: refused ? letter.points : pointsDead,
  });
  const again = refused ? [{ ...old, reason: reasonOf(answer) }] : deadLetters;
  ledger.update({
    pointsSent: entry.pointsSent + pointsSent,
    pointsDead: entry.pointsDead - pointsSent,
    memo: session.takeMemo() ?? entry.memo,
  });
  if (whole) ledger.update({ state: "sending", lastError: again[0]?.reason ?? "", retryAtUs: 0 });
  await ledger.save([...again, ...rest], [id]);
  const found = rest[0] && (await findLetter(sink.parts.journal, id, rest[0]));
  return { pointsTaken: pointsSent, refused: again.length > 0, rest: found };
}

function reasonOf(answer: SendResult): string {
  return answer.status === "permanent" ? answer.reason : "";
}

type ReadingParts = Pick<SinkParts, "journal" | "content" | "reads">;

/** What was refused, one line a record: the first `most` lines of a letter. */
export async function letterLines(
  parts: ReadingParts,
  letter: DeadLetterEntry,
  most: number,
): Promise<string[]> {
  if (letter.kind === "end") return ["the end of the run"];
  const limits = { maxPoints: most, maxRecords: most, maxBytes: Number.POSITIVE_INFINITY };
  const { records } = await readLetter(parts, letter, limits);
  return records.flatMap((record) => linesOf(record, most)).slice(0, most);
}

function linesOf(record: SinkRecord, most: number): string[] {
  switch (record.kind) {
    case "point":
      return [`${record.key} = ${record.value} at step ${record.step}`];
    case "params":
      return pairsOf(record.params, most);
    case "tags":
      return pairsOf(record.tags, most);
    case "artifact": {
      if (record.uri !== "") return [`${record.name}: ${record.uri}`];
      const bytes = record.files.reduce((sum, { size }) => sum + size, 0);
      const files = record.files.length === 1 ? "1 file" : `${record.files.length} files`;
      return [`${record.name}: ${files}, ${bytes} bytes`];
    }
  }
}

function pairsOf(pairs: Readonly<Record<string, string>>, most: number): string[] {
  return Object.entries(pairs)
    .slice(0, most)
    .map(([name, value]) => `${name} = ${value.length > 200 ? `${value.slice(0, 200)}...` : value}`);
}

/** As much of a letter as fits into a batch. */
async function readLetter(
  { journal, content, reads }: ReadingParts,
  letter: DeadLetterEntry,
  limits: BatchLimits,
): Promise<Batch> {
  const source = new Source(journal, letter.runId, content, reads, letter.from);
  if (letter.kind === "metrics") {
    // A letter of points is a stretch without a gap: nothing else stands between its first point and its last.
    await source.fill({ ...limits, maxPoints: Math.min(limits.maxPoints, letter.points) });
    return source.take();
  }
  await source.fill({ ...limits, maxRecords: 1 });
  const records = source.take().records.filter(({ kind }) => kind === letter.kind);
  const batch = new Batch({ cursor: letter.from, part: 0 });
  if (records.length > 0) batch.addItem(records, 0, letter.from, letter.to);
  return batch;
}

async function findLetter(
  journal: Journal,
  afterId: number,
  { runId, spec, kind, from }: NewDeadLetter,
): Promise<DeadLetterEntry | undefined> {
  for await (const letter of allLetters(journal, { runId, spec, afterId })) {
    const sameFrom = letter.from.position === from.position && letter.from.offset === from.offset;
    if (letter.kind === kind && sameFrom) return letter;
  }
  return undefined;
}

/** Dead letters, oldest first, however many. */
export async function* allLetters(
  journal: Pick<Journal, "deadLetters">,
  query: Omit<DeadLetterQuery, "limit">,
): AsyncGenerator<DeadLetterEntry> {
  for (let afterId = query.afterId ?? 0; ; ) {
    const page = await journal.deadLetters({ ...query, afterId, limit: PAGE });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    afterId = last.id;
  }
}
