/** The daemon that would come in place of this one. */
export interface Newcomer {
  readonly version: string;
  /** Newest protocol version that it speaks. */
  readonly protocolMax: number;
}

/** What decides whether a daemon makes place for a newer one. */
export interface HandOverQuestions {
  readonly own: Newcomer;
  /** Whether it was told never to leave by itself: whoever runs it renews it. */
  readonly staysForGood: boolean;
  readonly draining: () => boolean;
  /** Calls and streams open now, the one that asks among them. */
  readonly openCalls: () => number;
  /** Running runs whose process lives. */
  readonly livingRuns: () => number;
  /** Resolves once `livingRuns` counts every run that was journaled before. */
  readonly caughtUp: () => Promise<void>;
  /** Begins the drain. */
  readonly leave: () => void;
}

/** `later`: it stays only as long as somebody uses it. */
export type HandOverDecision =
  | { readonly leaving: true }
  | { readonly leaving: false; readonly reason: string; readonly later: boolean };

/**
 * Leaves for a newer daemon, unless this one is used: then it stays as it is and says why.
 *
 * Architecture Invariant: a daemon leaves for a newer one only while no run of a living process and no other call needs
 * it; it looks and begins to drain in one turn, so that nothing begins in between.
 */
export async function makePlace(newcomer: Newcomer, questions: HandOverQuestions): Promise<HandOverDecision> {
  const { own, staysForGood, draining, openCalls, livingRuns, caughtUp, leave } = questions;
  const stay = (reason: string, later: boolean) => ({ leaving: false, reason, later }) as const;
  if (!isNewer(newcomer, own)) return stay(`The daemon (version ${own.version}) is no older.`, false);
  if (staysForGood) {
    return stay("The daemon was told never to leave by itself; whoever runs it must restart it.", false);
  }
  await caughtUp();
  if (draining()) return { leaving: true };
  const runs = livingRuns();
  const calls = openCalls() - 1;
  if (runs > 0) return stay(`${count(runs, "run")} of living processes would lose it.`, true);
  if (calls > 0) return stay(`${count(calls, "call")} of others would break off.`, true);
  leave();
  return { leaving: true };
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}

/** Versions are MAJOR.MINOR.PATCH; one that is not is never newer. */
function isNewer(newcomer: Newcomer, own: Newcomer): boolean {
  if (newcomer.protocolMax !== own.protocolMax) return newcomer.protocolMax > own.protocolMax;
  const [theirs, ours] = [numbersOf(newcomer.version), numbersOf(own.version)];
  const at = theirs.findIndex((number, i) => number !== ours[i]);
  return (theirs[at] ?? 0) > (ours[at] ?? 0);
}

function numbersOf(version: string): readonly number[] {
  return /^(\d+)\.(\d+)\.(\d+)$/.exec(version)?.slice(1).map(Number) ?? [];
}
