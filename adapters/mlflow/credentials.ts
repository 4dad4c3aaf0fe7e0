/** Finds the credentials of a spec. They are looked up anew when they may have changed, and kept nowhere else. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Authorization,
  basic,
  bearer,
  missingReference,
  type Reference,
  Renewed,
  resolveReference,
} from "@pipekit/adapters/http";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { MlflowSpec } from "./spec.ts";

const ANONYMOUS: Authorization = { found: true, header: undefined, secrets: [] };

/**
 * The references of the spec come first; without any, what MLflow's own client uses: MLFLOW_TRACKING_USERNAME and
 * MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, then `~/.mlflow/credentials`.
 */
export class Credentials {
  readonly #spec: MlflowSpec;
  readonly #context: Pick<AdapterContext, "env" | "home">;
  readonly #renewed = new Renewed(() => this.#find());

  constructor(spec: MlflowSpec, context: Pick<AdapterContext, "env" | "home">) {
    this.#spec = spec;
    this.#context = context;
  }

  async authorization(): Promise<Authorization> {
    return await this.#renewed.authorization();
  }

  forget(): void {
    this.#renewed.forget();
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
      const value = await resolveReference(reference, this.#context.env);
      if (value === undefined) return { found: false, reason: missingReference(reference) };
      values.push(value);
    }
    return make(...values);
  }

  async #credentialsFile(): Promise<ReadonlyMap<string, string> | undefined> {
    const path = join(this.#context.home, ".mlflow/credentials");
    const text = await readFile(path, "utf8").catch(() => undefined);
    return text === undefined ? undefined : iniSection(text, "mlflow");
  }
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
