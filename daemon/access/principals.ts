/** Who may call, as it is known at one time. */
import type { QuotaSettings } from "../limits/index.ts";
import type { Grant, RoleText } from "./roles.ts";
import { Tokens } from "./tokens.ts";

/** A principal as its file states it, with tokens read. */
export interface PrincipalEntry {
  readonly name: string;
  readonly grants: readonly Grant[];
  readonly roles: readonly RoleText[];
  readonly quota: QuotaSettings | undefined;
}

/** What a caller proves: both may be there, or none. */
export interface Proof {
  readonly token: string | undefined;
  /** Identities of its certificate, if the client CA has signed one and it counts now. */
  readonly identities: readonly string[];
}

/** Why nobody answers to a proof. */
export type Unproven = "nothing" | "unknown token" | "unknown certificate" | "two principals";

export class Principals {
  readonly #entries = new Map<string, PrincipalEntry>();
  readonly #tokens = new Tokens();
  readonly #certificates = new Map<string, string>();

  /** Adds a principal; returns what stands against it: a name, token or certificate that is another's. */
  add(
    entry: PrincipalEntry,
    tokens: readonly string[],
    certificates: readonly string[],
  ): { readonly field: "name" | "token" | "certificate"; readonly of: string } | undefined {
    if (this.#entries.has(entry.name)) return { field: "name", of: entry.name };
    for (const token of tokens) {
      const of = this.#tokens.add(token, entry.name);
      if (of !== undefined && of !== entry.name) return { field: "token", of };
    }
    for (const identity of certificates) {
      const of = this.#certificates.get(identity);
      if (of !== undefined && of !== entry.name) return { field: "certificate", of };
      this.#certificates.set(identity, entry.name);
    }
    this.#entries.set(entry.name, entry);
    return undefined;
  }

  get(name: string): PrincipalEntry | undefined {
    return this.#entries.get(name);
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** The one principal of all that is proven. A certificate that names nobody says nothing beside a token. */
  find({ token, identities }: Proof): PrincipalEntry | Unproven {
    const byToken = token === undefined ? undefined : this.#tokens.principalOf(token);
    if (token !== undefined && byToken === undefined) return "unknown token";
    const names = new Set(identities.map((identity) => this.#certificates.get(identity)));
    names.delete(undefined);
    if (byToken !== undefined) names.add(byToken);
    const [name, second] = names;
    if (second !== undefined) return "two principals";
    if (name !== undefined) return this.#entries.get(name) ?? "nothing";
    return identities.length > 0 ? "unknown certificate" : "nothing";
  }
}
