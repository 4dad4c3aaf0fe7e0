/**
 * Times of points in MLflow's unit, milliseconds.
 *
 * MLflow keeps one of several points with equal key, step, value and millisecond, which is what makes a replay
 * harmless. Two points of ours may be equal in that way and differ in microseconds, or be logged twice on purpose:
 * the later one is moved on by a millisecond, or as many as it takes, so that both are shown and counts agree.
 *
 * A point sent again gets the time that it had: it is known by its microseconds (of twins within one batch, by their
 * order). What was sent is remembered for some thousand points; where the moving on has got to, as long as it lies
 * ahead of the points that come.
 * One case is left: an adapter opened anew between two such points gives the second one the first one's time, and MLflow
 * shows one of them. Moving on never makes a point appear twice.
 */

/** Points remembered; up to twice as many in fact. */
const REMEMBERED = 8192;

/** A point that was sent, and the next ones whose place or time has the same hash. */
interface Owner {
  readonly ms: number;
  readonly step: number;
  readonly value: number;
  readonly timeUs: number;
  /** Batch in which it was seen last. */
  batch: number;
  readonly nextPlaced: Owner | undefined;
  readonly nextTimed: Owner | undefined;
}

/** Points of a key, by the hash of millisecond and step, and by that of microsecond and step. */
interface Places {
  readonly placed: Map<number, Owner>;
  readonly timed: Map<number, Owner>;
}

export class Stamps {
  #recent = new Map<string, Places>();
  #older = new Map<string, Places>();
  #size = 0;
  #batch = 0;
  /** By key, step and value: the millisecond after the last one that was moved to, so that none is tried again. */
  #frontiers = new Map<string, number>();
  #latestMs = 0;
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
    for (const [same, frontier] of this.#frontiers) {
      if (frontier <= this.#latestMs) this.#frontiers.delete(same);
    }
  }

  /** Milliseconds to send for a point. */
  stampMs(key: string, step: number, value: number, timeUs: number): number {
    const told = stored(value);
    const repeated = this.#sentBefore(key, step, told, timeUs);
    if (repeated !== undefined) {
      repeated.batch = this.#batch;
      return repeated.ms;
    }
    const natural = Math.floor(timeUs / 1000);
    this.#latestMs = Math.max(this.#latestMs, natural);
    const same = this.#frontiers.size === 0 ? "" : identity(key, step, told);
    let ms = Math.max(natural, this.#frontiers.get(same) ?? natural);
    while (this.#isTaken(key, ms, step, told)) ms++;
    if (ms > natural) {
      this.#frontiers.set(same || identity(key, step, told), ms + 1);
      this.#moved ??= key;
    }
    this.#remember(key, ms, step, told, timeUs);
    return ms;
  }

  /** The first point of this time that an earlier batch had and this one has not had yet. */
  #sentBefore(key: string, step: number, value: number, timeUs: number): Owner | undefined {
    const place = hash(timeUs, step);
    let first: Owner | undefined;
    for (const places of [this.#recent.get(key), this.#older.get(key)]) {
      for (let owner = places?.timed.get(place); owner !== undefined; owner = owner.nextTimed) {
        const fits = owner.timeUs === timeUs && owner.step === step && Object.is(owner.value, value);
        if (fits && owner.batch !== this.#batch && !(first !== undefined && first.ms < owner.ms))
          first = owner;
      }
    }
    return first;
  }

  #isTaken(key: string, ms: number, step: number, value: number): boolean {
    const place = hash(ms, step);
    for (const places of [this.#recent.get(key), this.#older.get(key)]) {
      for (let owner = places?.placed.get(place); owner !== undefined; owner = owner.nextPlaced) {
        if (owner.ms === ms && owner.step === step && Object.is(owner.value, value)) return true;
      }
    }
    return false;
  }

  #remember(key: string, ms: number, step: number, value: number, timeUs: number): void {
    let places = this.#recent.get(key);
    if (places === undefined) {
      places = { placed: new Map(), timed: new Map() };
      this.#recent.set(key, places);
    }
    const { placed, timed } = places;
    const place = hash(ms, step);
    const time = hash(timeUs, step);
    const nexts = { nextPlaced: placed.get(place), nextTimed: timed.get(time) };
    const owner = { ms, step, value, timeUs, batch: this.#batch, ...nexts };
    placed.set(place, owner);
    timed.set(time, owner);
    this.#size++;
  }
}

function identity(key: string, step: number, value: number): string {
  return `${step} ${value} ${key}`;
}

function hash(time: number, step: number): number {
  return time + step * 0x9e3779b1;
}

/** The value as MLflow tells values apart: infinities as a SQL store keeps them, one zero. */
function stored(value: number): number {
  if (value === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return value === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : value + 0;
}
