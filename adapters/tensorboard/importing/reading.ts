/** The events of a run as records. */
import type { PastRecord, PastRow } from "@pipekit/adapters/history";
import { type SessionEnd, sessionOf, sessionParams } from "../hparams.ts";
import { keyOf, OWN } from "../tags.ts";
import { EventReader, type EventValue } from "./events.ts";

/** What is read of a run, handed on piece by piece. */
export class Reading {
  readonly #events = new EventReader();
  readonly #keys = new Map<string, readonly string[]>();
  readonly #left = new Map<string, number>();
  #rows: PastRow[] = [];
  #records: PastRecord[] = [];
  ended: SessionEnd | undefined;
  lastUs = 0;
  #damaged = 0;

  add(data: Buffer): void {
    try {
      const { timeUs, step, values } = this.#events.read(data);
      this.lastUs = Math.max(this.lastUs, timeUs);
      for (const value of values) this.#addValue(value, step, timeUs);
    } catch {
      this.#damaged++;
    }
  }

  *taken(): Generator<PastRecord> {
    const [rows, records] = [this.#rows, this.#records];
    [this.#rows, this.#records] = [[], []];
    yield* records;
    if (rows.length > 0) yield { kind: "rows", rows };
  }

  *notes(id: string): Generator<string> {
    for (const [what, count] of this.#left)
      yield `Run ${id}: ${count} values (${what}) are no scalars, and are left out.`;
    if (this.#damaged > 0) yield `Run ${id}: ${this.#damaged} records are no events, and are left out.`;
  }

  #addValue(value: EventValue, step: number, timeUs: number): void {
    if (value.kind === "other") {
      this.#addOther(value);
      return;
    }
    const key = keyOf(value.tag);
    if (key === undefined) return;
    let keys = this.#keys.get(key);
    if (keys === undefined) {
      keys = [key];
      this.#keys.set(key, keys);
    }
    this.#rows.push({ keys, step, timeUs, values: [value.value] });
  }

  #addOther({ tag, plugin, content }: Extract<EventValue, { kind: "other" }>): void {
    if (plugin !== "hparams") {
      if (!tag.startsWith(OWN))
        this.#left.set(
          plugin || "images and the like",
          (this.#left.get(plugin || "images and the like") ?? 0) + 1,
        );
      return;
    }
    const { start, end } = sessionOf(content);
    if (start !== undefined) {
      this.#records.push({ kind: "params", params: Object.fromEntries(sessionParams(start)) });
    }
    this.ended = end ?? this.ended;
  }
}
