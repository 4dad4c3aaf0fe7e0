/**
 * What lets a browser in: a token that is good once, and the cookie that it is exchanged for. Both are 256 random
 * bits; only digests are kept, and they are compared in constant time.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** How long a token that nobody uses is good. */
export const TOKEN_LIFE_MS = 10 * 60_000;
/** Tokens that wait to be used, tokens that were, and browsers: the oldest is forgotten. */
const KEPT = 16;

export type TokenState = "good" | "used" | "expired" | "unknown";

/** Tokens that were given out. */
export class Tokens {
  readonly #now: () => number;
  #open: { readonly digest: Buffer; readonly diesAtMs: number }[] = [];
  #used: Buffer[] = [];

  /** `now`: milliseconds of any clock that only goes forward. */
  constructor(now: () => number) {
    this.#now = now;
  }

  issue(): string {
    const token = randomText();
    this.#open = [
      ...this.#open.slice(1 - KEPT),
      { digest: digestOf(token), diesAtMs: this.#now() + TOKEN_LIFE_MS },
    ];
    return token;
  }

  /** Takes a token. It is good for the first who brings it in time, and for nobody after. */
  use(token: string): TokenState {
    const digest = digestOf(token);
    if (this.#used.filter((used) => timingSafeEqual(used, digest)).length > 0) return "used";
    const [entry] = this.#open.filter((open) => timingSafeEqual(open.digest, digest));
    if (entry === undefined) return "unknown";
    this.#open = this.#open.filter((open) => open !== entry);
    if (this.#now() > entry.diesAtMs) return "expired";
    this.#used = [...this.#used.slice(1 - KEPT), digest];
    return "good";
  }
}

/** Browsers that were let in, known by their cookie. */
export class Browsers {
  readonly #cookie: string;
  #admitted: Buffer[] = [];

  /** Cookies know no ports: the name holds it, so that two pages on one machine do not log each other out. */
  constructor(port: number) {
    this.#cookie = `pipekit-ui-${port}`;
  }

  /** Lets a browser in; the value of `Set-Cookie`. */
  admit(): string {
    const secret = randomText();
    this.#admitted = [...this.#admitted.slice(1 - KEPT), digestOf(secret)];
    return `${this.#cookie}=${secret}; Path=/; HttpOnly; SameSite=Strict`;
  }

  /** Which browser sent this `Cookie` header; undefined for a stranger. */
  recognise(header: string | undefined): string | undefined {
    const pairs = (header ?? "").split(";").map((pair) => pair.trim());
    for (const pair of pairs) {
      if (!pair.startsWith(`${this.#cookie}=`)) continue;
      const digest = digestOf(pair.slice(this.#cookie.length + 1));
      if (this.#admitted.filter((known) => timingSafeEqual(known, digest)).length > 0) {
        return digest.toString("hex");
      }
    }
    return undefined;
  }
}

/** 256 random bits as text that may stand in an address. */
export function randomText(): string {
  return randomBytes(32).toString("base64url");
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
