/** Whose a token is. Tokens are kept as digests only. */
import { createHash, timingSafeEqual } from "node:crypto";

interface KnownToken {
  readonly digest: Buffer;
  readonly principal: string;
}

export class Tokens {
  readonly #known: KnownToken[] = [];

  /** Returns whose the token is already when it is known. */
  add(token: string, principal: string): string | undefined {
    const digest = digestOf(token);
    const owner = this.#known.find((known) => known.digest.equals(digest))?.principal;
    if (owner === undefined) this.#known.push({ digest, principal });
    return owner;
  }

  /**
   * The principal of a token; undefined when it is nobody's. Every digest is compared, and whole: the time it takes tells
   * neither whose the token is nor how near it comes to one.
   */
  principalOf(token: string): string | undefined {
    const digest = digestOf(token);
    let found: string | undefined;
    for (const known of this.#known) if (timingSafeEqual(known.digest, digest)) found = known.principal;
    return found;
  }
}

/** Whether two tokens are the same; the time it takes does not tell how near they come. */
export function isSameToken(a: string, b: string): boolean {
  return timingSafeEqual(digestOf(a), digestOf(b));
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
