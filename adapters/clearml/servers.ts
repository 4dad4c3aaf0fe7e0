/**
 * Where ClearML's servers and credentials are found: in the spec, else where ClearML's own client looks, which is the
 * environment (CLEARML_API_HOST and so on) and `~/clearml.conf`, or the file that CLEARML_CONFIG_FILE names.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Authorization, basic, missingReference, resolveReference } from "@pipekit/adapters/http";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { ServerSpec } from "./spec.ts";

/** Addresses without a slash at their end. */
export interface Servers {
  readonly api: string;
  /** Undefined when it is not told and cannot be guessed. */
  readonly files: string | undefined;
  readonly web: string | undefined;
}

export type Surroundings = Pick<AdapterContext, "env" | "home">;

const NO_SERVER =
  "The tracker spec names no ClearML server, and neither CLEARML_API_HOST of the daemon nor clearml.conf does.";
const NO_KEYS =
  "There are no ClearML credentials: the tracker spec references none, CLEARML_API_ACCESS_KEY and " +
  "CLEARML_API_SECRET_KEY are not set for the daemon, and clearml.conf has none for this server.";

/** The servers of a spec, or one sentence about what is missing. */
export async function findServers(spec: ServerSpec, where: Surroundings): Promise<Servers | string> {
  if (spec.api !== undefined) {
    return {
      api: spec.api,
      files: spec.files ?? besideFiles(spec.api),
      web: spec.web ?? besideWeb(spec.api),
    };
  }
  const { env } = where;
  const conf = await readConf(where);
  const api = address(env["CLEARML_API_HOST"] || conf.get("api_server"));
  if (api === undefined) return NO_SERVER;
  return {
    api,
    files: address(env["CLEARML_FILES_HOST"] || conf.get("files_server")) ?? besideFiles(api),
    web: address(env["CLEARML_WEB_HOST"] || conf.get("web_server")) ?? besideWeb(api),
  };
}

/** The credentials for `auth.login`. */
export async function findCredentials(spec: ServerSpec, where: Surroundings): Promise<Authorization> {
  const { env } = where;
  if (spec.keys !== undefined) {
    const access = await resolveReference(spec.keys.access, env);
    if (access === undefined) return { found: false, reason: missingReference(spec.keys.access) };
    const secret = await resolveReference(spec.keys.secret, env);
    if (secret === undefined) return { found: false, reason: missingReference(spec.keys.secret) };
    return basic(access, secret);
  }
  const [access, secret] = [env["CLEARML_API_ACCESS_KEY"], env["CLEARML_API_SECRET_KEY"]];
  if (access && secret) return basic(access, secret);
  const conf = await readConf(where);
  // The file's credentials are for the file's server, and for no other that a spec may name.
  const own = spec.api === undefined || spec.api === address(conf.get("api_server"));
  const [confAccess, confSecret] = [conf.get("access_key"), conf.get("secret_key")];
  if (own && confAccess && confSecret) return basic(confAccess, confSecret);
  return { found: false, reason: NO_KEYS };
}

/** ClearML's own habit: port 8081 beside 8008, `files.` beside `api.`. */
function besideFiles(api: string): string | undefined {
  return beside(api, "8081", "files.");
}

function besideWeb(api: string): string | undefined {
  return beside(api, "8080", "app.");
}

function beside(api: string, port: string, prefix: string): string | undefined {
  const url = new URL(api);
  if (url.port === "8008") url.port = port;
  else if (url.hostname.startsWith("api.")) url.hostname = prefix + url.hostname.slice("api.".length);
  else return undefined;
  return url.origin;
}

function address(text: string | undefined): string | undefined {
  const url = URL.parse(text ?? "");
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/**
 * The five settings of `clearml.conf` that matter here. The file is HOCON; what `clearml-init` writes, one `key: value`
 * or `key = value` a line with `${NAME}` of the environment, is understood, and no more of it.
 */
async function readConf({ env, home }: Surroundings): Promise<ReadonlyMap<string, string>> {
  const path = env["CLEARML_CONFIG_FILE"] || join(home, "clearml.conf");
  const text = await readFile(path, "utf8").catch(() => "");
  const values = new Map<string, string>();
  const setting =
    /^[\s{]*(?:api\.)?(?:credentials[\s.:={]+)?"?(api_server|web_server|files_server|access_key|secret_key)"?\s*[:=]\s*(?:"([^"]*)"|\$\{\??(\w+)\}|([^\s,#}]+))/;
  for (const line of text.split("\n")) {
    const [, key, quoted, variable, bare] = setting.exec(line) ?? [];
    if (key === undefined || values.has(key)) continue;
    const value = variable === undefined ? (quoted ?? bare) : env[variable];
    if (value) values.set(key, value);
  }
  return values;
}
