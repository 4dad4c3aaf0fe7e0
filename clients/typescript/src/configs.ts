/** Composed Hydra configs, as the daemon reads them: it imports and runs nothing. */
import type { ParseConfigResponse, ReadHydraRunResponse } from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import type { Connection } from "./connection.ts";
import type { Env } from "./folders.ts";

/** What interpolations are read against. */
export interface ConfigOptions extends CallSettings {
  /** Environment for `${oc.env:NAME}`; what is not in it counts as not set. Default: empty. */
  readonly env?: Env | undefined;
}

export interface ParseConfigOptions extends ConfigOptions {
  /** JSON object that `${hydra:...}` reads. Default: none. */
  readonly hydraJson?: string | undefined;
}

/** Reads composed Hydra configs through the daemon; nothing that they name is imported or run. */
export class Configs {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Tells what stands where in a YAML text, and what is wrong with it. Throws INVALID_ARGUMENT. */
  parse(
    text: string,
    { env, hydraJson = "", signal }: ParseConfigOptions = {},
  ): Promise<ParseConfigResponse> {
    const request = { text, env: setOf(env), hydraJson };
    return this.#connection.call(
      ({ config }) => unary(config.parseConfig.bind(config), request, { signal }),
      signal,
    );
  }

  /** Reads the `.hydra` folder of a run, or the folder that holds it. Throws INVALID_CONFIG, ARTIFACT_UNREADABLE. */
  readRun(folder: string, { env, signal }: ConfigOptions = {}): Promise<ReadHydraRunResponse> {
    const request = { folder, env: setOf(env) };
    return this.#connection.call(
      ({ config }) => unary(config.readHydraRun.bind(config), request, { signal }),
      signal,
    );
  }
}

function setOf(env: Env = {}): { [name: string]: string } {
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
