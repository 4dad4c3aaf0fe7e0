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

/** A point that was sent, and the next one whose place has the same hash. */
interface Owner {
  readonly ms: number;
  readonly step: number;
  readonly value: number;
  readonly timeUs: number;
  /** Batch in which it was seen last. */
  batch: number;
  readonly next: Owner | undefined;
}

/** Points by key and by the hash of millisecond and step. */
type Places = Map<string, Map<number, Owner>>;

export class Stamps {
  #recent: Places = new Map();
  #older: Places = new Map();
  #size = 0;
  #batch = 0;
  #moved: string | undefined;
  #told = false;

  /** Key of the first point that was moved; once. */
  takeMoved(): string | undefined {
    if (this.#told || this.#moved === undefined) return undefined;
    this.#told = true;
    return this.#moved;
  }

  beginBatch(): void {
    this.#batch++;
    if (this.#size < REMEMBERED) return;
    this.#older = this.#recent;
    this.#recent = new Map();
    this.#size = 0;
  }

  /** Milliseconds to send for a point. */
  stampMs(key: string, step: number, value: number, timeUs: number): number {
    const told = stored(value);
    for (let ms = Math.floor(timeUs / 1000); ; ms++) {
      const owner = find(this.#recent, key, ms, step, told) ?? find(this.#older, key, ms, step, told);
      if (owner === undefined) {
        this.#remember(key, ms, step, told, timeUs);
        return ms;
      }
      if (owner.timeUs === timeUs && owner.batch !== this.#batch) {
        owner.batch = this.#batch;
        return ms;
      }
      this.#moved ??= key;
    }
  }

  #remember(key: string, ms: number, step: number, value: number, timeUs: number): void {
    let places = this.#recent.get(key);
    if (places === undefined) {
      places = new Map();
      this.#recent.set(key, places);
    }
    const place = hash(ms, step);
    places.set(place, { ms, step, value, timeUs, batch: this.#batch, next: places.get(place) });
    this.#size++;
  }
}

function find(places: Places, key: string, ms: number, step: number, value: number): Owner | undefined {
  let owner = places.get(key)?.get(hash(ms, step));
  while (owner !== undefined && !(owner.ms === ms && owner.step === step && Object.is(owner.value, value))) {
    owner = owner.next;
  }
  return owner;
}

function hash(ms: number, step: number): number {
  return ms + step * 0x9e3779b1;
}

/** The value as MLflow tells values apart: infinities as a SQL store keeps them, one zero. */
function stored(value: number): number {
  if (value === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return value === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : value + 0;
}
