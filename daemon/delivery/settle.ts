import type { PermanentResult, SendResult } from "@pipekit/adapters/tracker";
import type { NewDeadLetter } from "../journal/journal.ts";
import type { Batch, Place } from "./batch.ts";
import type { Answer, Setback } from "./exchange.ts";

/** What an answer means for a batch: exactly which records are settled, and which of them for the worse. */
export interface Settlement {
  /** Where delivery stands now. */
  readonly place: Place;
  /** True when the whole batch is settled. */
  readonly whole: boolean;
  readonly pointsSent: number;
  readonly pointsDead: number;
  readonly deadLetters: readonly NewDeadLetter[];
}

/** Reads the answer to a batch. Every record of it ends up in exactly one place: sent, dead, or left for the next try. */
export function settle(sink: { runId: string; spec: string }, batch: Batch, answer: SendResult): Settlement {
  const total = batch.records.length;
  const accepted = acceptedOf(answer, total);
  const refusal = refusalOf(answer);
  const taken = refusal === undefined ? accepted : total;
  const rejected = refusal === undefined ? [] : rejectedOf(refusal, accepted, total);
  const pointsDead = countPoints(batch, rejected);
  const pointsTaken = countPoints(
    batch,
    Array.from({ length: taken }, (_, index) => index),
  );
  return {
    place: batch.placeAfter(taken),
    whole: taken === total,
    pointsSent: pointsTaken - pointsDead,
    pointsDead,
    deadLetters: toDeadLetters(sink, batch, rejected, refusal?.reason ?? ""),
  };
}

/** Records that the tool has, counted from the front. */
function acceptedOf(answer: SendResult, total: number): number {
  if (answer.status === "ok") return total;
  if (answer.status !== "partial") return 0;
  return Math.min(total, Math.max(0, Math.floor(answer.accepted) || 0));
}

/** What the tool refused for good, if it did. */
export function refusalOf(answer: Answer | Setback): PermanentResult | undefined {
  if (answer.status === "permanent") return answer;
  return answer.status === "partial" && answer.rest.status === "permanent" ? answer.rest : undefined;
}

/** Indices of the refused records in ascending order. What is in the tool already cannot be refused. */
function rejectedOf(refusal: PermanentResult, accepted: number, total: number): number[] {
  const all = Array.from({ length: total - accepted }, (_, index) => accepted + index);
  if (refusal.rejected === undefined) return all;
  const named = new Set(refusal.rejected);
  return all.filter((index) => named.has(index));
}

function countPoints(batch: Batch, indices: readonly number[]): number {
  return indices.reduce((sum, index) => sum + (batch.records[index]?.kind === "point" ? 1 : 0), 0);
}

/** One dead letter for each stretch of one kind without a gap, so that driving it again sends nothing else. */
function toDeadLetters(
  sink: { runId: string; spec: string },
  batch: Batch,
  rejected: readonly number[],
  reason: string,
): NewDeadLetter[] {
  const letters: (NewDeadLetter & { readonly lastIndex: number })[] = [];
  for (const index of rejected) {
    const record = batch.records[index];
    if (record === undefined) continue;
    const isPoint = record.kind === "point";
    const kind = isPoint ? "metrics" : record.kind;
    const item = batch.itemOf(index);
    const before = letters.at(-1);
    if (before !== undefined && isPoint && before.kind === kind && before.lastIndex === index - 1) {
      letters[letters.length - 1] = { ...before, points: before.points + 1, to: item.to, lastIndex: index };
    } else {
      const { runId, spec } = sink;
      const points = isPoint ? 1 : 0;
      letters.push({ runId, spec, kind, points, reason, from: item.from, to: item.to, lastIndex: index });
    }
  }
  return letters.map(({ lastIndex: _, ...letter }) => letter);
}
