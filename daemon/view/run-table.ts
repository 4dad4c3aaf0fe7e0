import { isDeepStrictEqual } from "node:util";
import type { RunBrief } from "@pipekit/proto/editor";

/** A run with what is searched in, in lower case. */
interface Row {
  readonly brief: RunBrief;
  readonly id: string;
  readonly name: string;
}

/** Runs in order, newest first: by descending id, as the daemon lists them. */
export class RunTable {
  readonly #byId = new Map<string, Row>();
  #order: Row[] = [];

  get size(): number {
    return this.#order.length;
  }

  get(runId: string): RunBrief | undefined {
    return this.#byId.get(runId)?.brief;
  }

  /** Puts runs in; returns those that were new or have changed. */
  put(briefs: readonly RunBrief[]): RunBrief[] {
    const changed: RunBrief[] = [];
    for (const brief of briefs) {
      const known = this.#byId.get(brief.runId);
      const kept = known === undefined ? brief : withHeadline(brief, known.brief);
      if (known !== undefined && isDeepStrictEqual(known.brief, kept)) continue;
      const row: Row = { brief: kept, id: kept.runId.toLowerCase(), name: kept.name.toLowerCase() };
      this.#byId.set(kept.runId, row);
      this.#order.splice(this.#place(kept.runId), known === undefined ? 0 : 1, row);
      changed.push(kept);
    }
    return changed;
  }

  find(text: string, limit: number): RunBrief[] {
    const wanted = text.toLowerCase();
    const found: RunBrief[] = [];
    for (const { brief, id, name } of this.#order) {
      if (found.length >= limit) break;
      if (id.startsWith(wanted) || name.includes(wanted)) found.push(brief);
    }
    return found;
  }

  /** The newest runs that fit, of those older than `before` when it is not empty, and how many fit in all. */
  select(fits: (run: RunBrief) => boolean, limit: number, before = ""): { runs: RunBrief[]; total: number } {
    const runs: RunBrief[] = [];
    let total = 0;
    for (const { brief } of this.#order) {
      if (!fits(brief)) continue;
      total += 1;
      if (runs.length < limit && (before === "" || brief.runId < before)) runs.push(brief);
    }
    return { runs, total };
  }

  clear(): void {
    this.#byId.clear();
    this.#order = [];
  }

  /** Where a run stands or would stand. */
  #place(runId: string): number {
    let low = 0;
    let high = this.#order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#order[middle]?.brief.runId ?? "") > runId) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lists are read without series: the metric that was told before stands while the run has no more points. */
function withHeadline(brief: RunBrief, known: RunBrief): RunBrief {
  if (brief.headline !== undefined || known.headline === undefined || brief.points !== known.points)
    return brief;
  return { ...brief, headline: known.headline };
}
