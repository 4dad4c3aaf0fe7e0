import type { DeadLetterEntry } from "../journal/journal.ts";
import type { Clock } from "./clock.ts";

/** What became of the dead letters of one request. */
export interface Redriven {
  /** Letters that the sink took; they are forgotten. */
  readonly taken: number;
  /** Letters refused again, in whole or in part. */
  readonly refused: number;
  /** Letters that are tried on in the background. */
  readonly waiting: number;
  /** Metric points that the sink took. */
  readonly pointsTaken: number;
}

export const NOTHING_REDRIVEN: Redriven = { taken: 0, refused: 0, waiting: 0, pointsTaken: 0 };

export function sumRedriven(parts: readonly Redriven[]): Redriven {
  return parts.reduce(
    (sum, part) => ({
      taken: sum.taken + part.taken,
      refused: sum.refused + part.refused,
      waiting: sum.waiting + part.waiting,
      pointsTaken: sum.pointsTaken + part.pointsTaken,
    }),
    NOTHING_REDRIVEN,
  );
}

/** What a try with a letter brought. `rest` is what of it is left to send. */
export interface LetterProgress {
  readonly pointsTaken: number;
  readonly refused: boolean;
  readonly rest: DeadLetterEntry | undefined;
}

interface Request {
  readonly left: Set<Queued>;
  answer: { taken: number; refused: number; pointsTaken: number };
  readonly resolve: (outcome: Redriven) => void;
  readonly calledOff: () => void;
}

interface Queued {
  letter: DeadLetterEntry;
  refused: boolean;
  readonly requests: Set<Request>;
}

/**
 * The dead letters of one sink of one run that are to be sent once more, in the order of asking, and who waits for it.
 * In memory only: a restart forgets what was asked for; the letters themselves stay journaled.
 */
export class LetterQueue {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #queue: Queued[] = [];

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  /** The letter whose turn it is. */
  get next(): DeadLetterEntry | undefined {
    return this.#queue[0]?.letter;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Queues letters, those that wait already once only. Resolves when all are settled, or when that may take long. */
  add(letters: readonly DeadLetterEntry[]): Promise<Redriven> {
    return new Promise((resolve) => {
      const request: Request = {
        left: new Set(),
        answer: { taken: 0, refused: 0, pointsTaken: 0 },
        resolve,
        calledOff: this.#clock.timer(this.#patienceMs, () => this.#answer(request)),
      };
      for (const letter of letters) {
        let queued = this.#queue.find((other) => other.letter.id === letter.id);
        if (queued === undefined) {
          queued = { letter, refused: false, requests: new Set() };
          this.#queue.push(queued);
        }
        queued.requests.add(request);
        request.left.add(queued);
      }
      if (request.left.size === 0) this.#answer(request);
    });
  }

  /** Tells what a try with the letter `id` brought; without a rest it leaves the queue. */
  progressed(id: number, { pointsTaken, refused, rest }: LetterProgress): void {
    const at = this.#queue.findIndex(({ letter }) => letter.id === id);
    const queued = this.#queue[at];
    if (queued === undefined) return;
    queued.refused ||= refused;
    for (const { answer } of queued.requests) answer.pointsTaken += pointsTaken;
    if (rest !== undefined) {
      queued.letter = rest;
      return;
    }
    this.#queue.splice(at, 1);
    for (const request of queued.requests) {
      request.left.delete(queued);
      if (queued.refused) request.answer.refused++;
      else request.answer.taken++;
      if (request.left.size === 0) this.#answer(request);
    }
  }

  /** Answers who waits: the sink cannot be reached now, and the letters are tried on. */
  excuse(): void {
    for (const { requests } of this.#queue) for (const request of [...requests]) this.#answer(request);
  }

  #answer(request: Request): void {
    request.calledOff();
    for (const queued of request.left) queued.requests.delete(request);
    request.resolve({ ...request.answer, waiting: request.left.size });
  }
}
