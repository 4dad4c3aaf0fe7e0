import type { AdapterMemo, TrackerKind } from "@pipekit/adapters/tracker";
import { GuardedAdapter } from "./guard.ts";
import type { SinkParts } from "./parts.ts";

/**
 * The adapter of one sink of one run: made when it is needed, opened once, closed when idle, replaced when abandoned. That
 * of an ended run has a seat at the endpoint, until it is closed.
 */
export class Session {
  readonly #parts: SinkParts;
  readonly #kind: TrackerKind;
  readonly #spec: string;
  #adapter: GuardedAdapter | undefined;
  #isOpen = false;
  #leaveSeat: (() => void) | undefined;

  constructor(parts: SinkParts, kind: TrackerKind, spec: string) {
    this.#parts = parts;
    this.#kind = kind;
    this.#spec = spec;
  }

  /** Whether the run is open in the tool and the adapter good for calls. */
  get isOpen(): boolean {
    return this.#isOpen && this.#adapter?.abandoned === false;
  }

  get adapter(): GuardedAdapter {
    if (this.#adapter?.abandoned) void this.#drop();
    if (this.#adapter === undefined) {
      const { clock, log, limits, context } = this.#parts;
      this.#adapter = new GuardedAdapter(() => this.#kind.connect(this.#spec, context), clock, log, limits);
    }
    return this.#adapter;
  }

  markOpen(): void {
    this.#isOpen = true;
  }

  get isSeated(): boolean {
    return this.#leaveSeat !== undefined;
  }

  /** Takes a seat over; `leave` is called when the session is closed. */
  seat(leave: () => void): void {
    this.#leaveSeat = leave;
  }

  /** Never that of an abandoned adapter: it may tell of what nobody answered for. */
  takeMemo(): AdapterMemo | undefined {
    return this.#adapter?.abandoned === false ? this.#adapter.takeMemo() : undefined;
  }

  takeNotes(): readonly string[] {
    return this.#adapter?.takeNotes() ?? [];
  }

  async close(): Promise<void> {
    this.#leaveSeat?.();
    this.#leaveSeat = undefined;
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const adapter = this.#adapter;
    this.#adapter = undefined;
    this.#isOpen = false;
    await adapter?.close();
  }
}
