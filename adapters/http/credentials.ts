/** Credentials by reference. They are looked up anew when they may have changed, and kept nowhere else. */

import { readFile } from "node:fs/promises";
import { encodePath } from "../spec-query.ts";

/** Where a secret is found. */
export type Reference =
  | { readonly from: "env"; readonly name: string }
  | { readonly from: "file"; readonly path: string };

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

/** Reads `env:NAME` or `file:/absolute/path`; undefined for anything else, which may be a secret itself. */
export function parseReference(text: string): Reference | undefined {
  const name = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(text)?.[1];
  if (name !== undefined) return { from: "env", name };
  const path = /^file:(\/[^\0\r\n]+)$/.exec(text)?.[1];
  return path === undefined ? undefined : { from: "file", path };
}

/** A reference as it stands in the query of a spec. */
export function formatReference(reference: Reference): string {
  if (reference.from === "env") return `env:${reference.name}`;
  return `file:${encodePath(reference.path)}`;
}

/** The secret; undefined when it is not there or empty. A newline at the end of a file does not count. */
export async function resolveReference(
  reference: Reference,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (reference.from === "env") return env[reference.name] || undefined;
  const text = await readFile(reference.path, "utf8").catch(() => undefined);
  return text?.replace(/\r?\n$/, "") || undefined;
}

/** One sentence for a reference that gives nothing. */
export function missingReference(reference: Reference): string {
  return reference.from === "env"
    ? `The environment variable ${reference.name}, which the tracker spec names, is not set for the daemon.`
    : `The file ${reference.path}, which the tracker spec names, cannot be read or is empty.`;
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
