import type { SinkCount } from "@pipekit/adapters/tracker";
import type { SeriesSummary } from "@pipekit/proto";

const MAX_KEYS_NAMED = 20;

/** What the comparison of journal and tool found. */
export interface Reconciliation {
  /** -1 when the tool cannot tell. */
  readonly pointsShown: number;
  /** One sentence each; empty when nothing differs. */
  readonly notes: readonly string[];
}

/**
 * Compares what the tool shows of an ended run with what it took (`pointsSent`; dead letters are not in it). Keys
 * are named when the sums differ, or when no dead letter explains why one key shows fewer points than journaled. A tool
 * that keeps one point of a step may show fewer without a fault, which is said.
 */
export function reconcile(
  series: readonly SeriesSummary[],
  sent: { pointsSent: number; pointsDead: number },
  count: SinkCount | undefined,
  keepsEqualSteps = true,
): Reconciliation {
  if (count === undefined) {
    return { pointsShown: -1, notes: ["The tool could not tell how many points it shows."] };
  }
  const same = count.points === sent.pointsSent;
  if (same && sent.pointsDead > 0) return { pointsShown: count.points, notes: [] };
  const differing = series
    .map(({ key, points }) => ({ key, points, shown: shownOf(count, key) }))
    .filter(({ points, shown }) => points !== shown)
    .map(({ key, points, shown }) => `${key}: journaled ${points}, shown ${shown}`);
  const notes = differing.slice(0, MAX_KEYS_NAMED);
  const more = differing.length - notes.length;
  if (more > 0) notes.push(`${more} more keys differ.`);
  if (!keepsEqualSteps && count.points < sent.pointsSent) {
    notes.push("Of two points of one key and step the tool keeps the later.");
  }
  if (!same) notes.unshift(`Points differ: taken ${sent.pointsSent}, shown ${count.points}.`);
  return { pointsShown: count.points, notes };
}

function shownOf(count: SinkCount, key: string): number {
  return Object.hasOwn(count.byKey, key) ? (count.byKey[key] ?? 0) : 0;
}
