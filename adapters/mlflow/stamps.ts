/**
 * Times of points in MLflow's unit, milliseconds.
 *
 * MLflow keeps one of several points with equal key, step, value and millisecond, which is what makes a replay
 * harmless. Two points of ours may be equal in that way and differ in microseconds, or be logged twice on purpose:
 * the later one is moved on by a millisecond, or as many as it takes, so that both are shown and counts agree.
 *
 * A point sent again gets the time that it had: it is known by its microseconds (of twins within one batch, by their
 * order). What was sent is remembered for some thousand points, which span far more than the millisecond in question.
 * One case is left: an adapter opened anew between two such points gives the second one the first one's time, and MLflow
 * shows one of them. Moving on never makes a point appear twice.
 */

/** Points remembered; up to twice as many in fact. */
const REMEMBERED = 8192;
/** What a SQL store keeps for an infinity. */
const LARGEST = Number.MAX_VALUE;

interface Owner {
  readonly timeUs: number;
  /** Batch in which it was seen last. */
  batch: number;
}

export class Stamps {
  #recent = new Map<string, Owner>();
  #older = new Map<string, Owner>();
  #batch = 0;
  #moved: string | undefined;

  /** Key of the first point that was moved, once. */
  takeMoved(): string | undefined {
    const key = this.#moved;
    this.#moved = undefined;
    return key;
  }

  beginBatch(): void {
    this.#batch++;
    if (this.#recent.size < REMEMBERED) return;
    this.#older = this.#recent;
    this.#recent = new Map();
  }

  /** Milliseconds to send for a point. */
  stampMs(key: string, step: number, value: number, timeUs: number): number {
    const identity = `${step} ${stored(value)} ${key} `;
    for (let ms = Math.floor(timeUs / 1000); ; ms++) {
      const place = identity + ms;
      const owner = this.#recent.get(place) ?? this.#older.get(place);
      if (owner === undefined) {
        this.#recent.set(place, { timeUs, batch: this.#batch });
        return ms;
      }
      if (owner.timeUs === timeUs && owner.batch !== this.#batch) {
        owner.batch = this.#batch;
        this.#recent.set(place, owner);
        return ms;
      }
      this.#moved ??= key;
    }
  }
}

/** The value as MLflow tells values apart. */
function stored(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return String(LARGEST);
  return value === Number.NEGATIVE_INFINITY ? String(-LARGEST) : String(value);
}
