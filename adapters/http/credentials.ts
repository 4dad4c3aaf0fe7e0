/** Credentials. They are looked up anew when they may have changed, and kept nowhere else. */

/** What goes into the Authorization header, and the strings that no message may show. */
export type Authorization =
  | { readonly found: true; readonly header: string | undefined; readonly secrets: readonly string[] }
  | { readonly found: false; readonly reason: string };

/** A looked-up credential is used this long before its reference is read again. */
const FRESH_MS = 5000;

/** The latest credential of a place where a person may renew it at any time. */
export class Renewed {
  readonly #find: () => Promise<Authorization>;
  #last: Authorization | undefined;
  #readAt = 0;

  constructor(find: () => Promise<Authorization>) {
    this.#find = find;
  }

  async authorization(): Promise<Authorization> {
    if (this.#last === undefined || performance.now() - this.#readAt > FRESH_MS) {
      this.#last = await this.#find();
      this.#readAt = performance.now();
    }
    return this.#last;
  }

  /** Makes the next request read the references again; called when the server has refused them. */
  forget(): void {
    this.#last = undefined;
  }
}

export function bearer(token: string): Authorization {
  return { found: true, header: `Bearer ${token}`, secrets: [token] };
}

export function basic(username: string, password: string): Authorization {
  const pair = Buffer.from(`${username}:${password}`).toString("base64");
  return { found: true, header: `Basic ${pair}`, secrets: [pair, password] };
}

/** Replaces secrets in a text that goes to logs or errors. */
export function scrub(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "***")), text);
}
