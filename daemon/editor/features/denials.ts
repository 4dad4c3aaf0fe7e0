/**
 * Refs that a registry itself denies. An index may be some seconds old, and a warning about what was stored just now would
 * be a false one: the daemon is asked before anything is said to be missing.
 */
import type { View } from "../../view/index.ts";
import { within } from "./within.ts";

/** Why a ref leads nowhere. */
export type Denial = "REF_NOT_FOUND" | "REF_AMBIGUOUS";

const PATIENCE_MS = 2000;
/** Every keystroke asks for diagnostics. */
const KEPT_MS = 3000;
const MOST_KEPT = 500;

export class Denials {
  readonly #view: View;
  readonly #known = new Map<string, { readonly denial: Denial; readonly untilMs: number }>();

  constructor(view: View) {
    this.#view = view;
  }

  /** Undefined when the ref leads somewhere, and when nobody can tell in time. Throws the signal's reason. */
  async of(registry: string, ref: string, signal: AbortSignal): Promise<Denial | undefined> {
    const key = `${registry}\n${ref}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() < known.untilMs) return known.denial;
    const answer = await within(PATIENCE_MS, signal, (limit) =>
      this.#view.ask("pipekit/resolve", { registry, ref }, limit),
    );
    this.#known.delete(key);
    if (answer.kind !== "failure") return undefined;
    const { code } = answer.failure;
    if (code !== "REF_NOT_FOUND" && code !== "REF_AMBIGUOUS") return undefined;
    if (this.#known.size >= MOST_KEPT) this.#known.clear();
    this.#known.set(key, { denial: code, untilMs: performance.now() + KEPT_MS });
    return code;
  }
}
