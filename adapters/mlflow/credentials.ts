/** Finds the credentials of a spec. They are looked up anew when they may have changed, and kept nowhere else. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { MlflowSpec, Reference } from "./spec.ts";

/** What goes into the Authorization header, and the strings that no message may show. */
export type Authorization =
  | { readonly found: true; readonly header: string | undefined; readonly secrets: readonly string[] }
  | { readonly found: false; readonly reason: string };

/** A looked-up credential is used this long before its reference is read again. */
const FRESH_MS = 5000;

const ANONYMOUS: Authorization = { found: true, header: undefined, secrets: [] };

/**
 * The references of the spec come first; without any, what MLflow's own client uses: MLFLOW_TRACKING_USERNAME and
 * MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, then `~/.mlflow/credentials`.
 */
export class Credentials {
  readonly #spec: MlflowSpec;
  readonly #context: Pick<AdapterContext, "env" | "home">;
  #last: Authorization | undefined;
  #readAt = 0;

  constructor(spec: MlflowSpec, context: Pick<AdapterContext, "env" | "home">) {
    this.#spec = spec;
    this.#context = context;
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

  async #find(): Promise<Authorization> {
    const { token, username, password } = this.#spec;
    if (token !== undefined) return await this.#resolved([token], bearer);
    if (username !== undefined && password !== undefined) {
      return await this.#resolved([username, password], basic);
    }
    const env = this.#context.env;
    const file = await this.#credentialsFile();
    const user = env["MLFLOW_TRACKING_USERNAME"] || file?.get("mlflow_tracking_username");
    const secret = env["MLFLOW_TRACKING_PASSWORD"] || file?.get("mlflow_tracking_password");
    if (user && secret) return basic(user, secret);
    const plainToken = env["MLFLOW_TRACKING_TOKEN"];
    return plainToken ? bearer(plainToken) : ANONYMOUS;
  }

  async #resolved(
    references: readonly Reference[],
    make: (...values: string[]) => Authorization,
  ): Promise<Authorization> {
    const values: string[] = [];
    for (const reference of references) {
      const value = await this.#value(reference);
      if (value === undefined) return { found: false, reason: missing(reference) };
      values.push(value);
    }
    return make(...values);
  }

  async #value(reference: Reference): Promise<string | undefined> {
    if (reference.from === "env") return this.#context.env[reference.name] || undefined;
    const text = await readFile(reference.path, "utf8").catch(() => undefined);
    return text?.replace(/\r?\n$/, "") || undefined;
  }

  async #credentialsFile(): Promise<ReadonlyMap<string, string> | undefined> {
    const path = join(this.#context.home, ".mlflow/credentials");
    const text = await readFile(path, "utf8").catch(() => undefined);
    return text === undefined ? undefined : iniSection(text, "mlflow");
  }
}

/** Replaces secrets in a text that goes to logs or errors. */
export function scrub(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === "" ? rest : rest.replaceAll(secret, "***")), text);
}

function missing(reference: Reference): string {
  return reference.from === "env"
    ? `The environment variable ${reference.name}, which the tracker spec names, is not set for the daemon.`
    : `The file ${reference.path}, which the tracker spec names, cannot be read or is empty.`;
}

function bearer(token: string): Authorization {
  return { found: true, header: `Bearer ${token}`, secrets: [token] };
}

function basic(username: string, password: string): Authorization {
  const pair = Buffer.from(`${username}:${password}`).toString("base64");
  return { found: true, header: `Basic ${pair}`, secrets: [pair, password] };
}

function iniSection(text: string, name: string): Map<string, string> {
  const values = new Map<string, string>();
  let inside = false;
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    const section = /^\[(.*)\]$/.exec(line)?.[1];
    if (section !== undefined) {
      inside = section === name;
      continue;
    }
    const pair = /^([^#;=:][^=:]*)[=:](.*)$/.exec(line);
    if (inside && pair !== null) values.set((pair[1] ?? "").trim().toLowerCase(), (pair[2] ?? "").trim());
  }
  return values;
}
