/**
 * Specs of W&B destinations.
 *
 *     wandb://ENTITY/PROJECT[?key=REF]                          the public server, https://api.wandb.ai
 *     wandb+http://HOST[:PORT]/ENTITY/PROJECT[?QUERY]           a server of one's own
 *     wandb+https://HOST[:PORT]/ENTITY/PROJECT[?QUERY]          the same over https
 *     wandb+offline:///FOLDER?project=PROJECT[&entity=ENTITY]   a folder for `wandb sync`
 *
 * Without an entity (`wandb:///PROJECT`, `wandb+http://HOST/PROJECT`) runs go to the default entity of the key. QUERY
 * has `base=/PREFIX` when the server lives under a path, and `key=REF`, where the API key is found: `env:NAME` or
 * `file:/absolute/path`, never the key itself. Names are percent-encoded.
 *
 * A spec names its server, whatever the environment says: WANDB_BASE_URL is not read here, or one spec would mean two
 * destinations. Clients that honour it write the server into the spec.
 */

import { formatReference, parseReference, type Reference } from "@pipekit/adapters/http";
import { SpecError } from "@pipekit/adapters/tracker";
import { formatFolderSpec, parseFolderSpec } from "../folder-spec.ts";
import { readBase, readQuery } from "../spec-query.ts";

/** Runs that go to a server. */
export interface ServerSpec {
  readonly mode: "server";
  /** Address of the server, without a slash at its end. */
  readonly url: string;
  /** Empty for the default entity of the key. */
  readonly entity: string;
  readonly project: string;
  readonly key?: Reference;
}

/** Runs that go to a folder. */
export interface OfflineSpec {
  readonly mode: "offline";
  /** Absolute path, without a slash at its end. */
  readonly folder: string;
  /** Empty for the default entity of whoever syncs the folder. */
  readonly entity: string;
  readonly project: string;
}

export type WandbSpec = ServerSpec | OfflineSpec;

const OFFLINE_SCHEME = "wandb+offline";
export const SCHEMES = ["wandb", "wandb+http", "wandb+https", OFFLINE_SCHEME] as const;

export const PUBLIC_URL = "https://api.wandb.ai";

const EXAMPLE = "Write it like `wandb://my-team/my-project`.";
const HOSTED = "Write it like `wandb+https://wandb.example.com/my-team/my-project`.";
const OFFLINE_EXAMPLE = "wandb+offline:///data/runs?project=my-project";
const OFFLINE = `Write it like \`${OFFLINE_EXAMPLE}\`.`;
const SECRET_MEND = "Name where the key is found: `?key=env:NAME` or `?key=file:/path`.";
const LONGEST_NAME = 128;

/** Reads a spec. Throws SpecError, which never repeats what might be a secret. */
export function parseSpec(spec: string): WandbSpec {
  const parts = /^(wandb(?:\+https?|\+offline)?):\/\/([^?#]*)(?:\?([^#]*))?(#.*)?$/is.exec(spec.trim());
  if (parts === null) throw new SpecError("A W&B spec starts with wandb://.", EXAMPLE);
  const [, scheme = "", path = "", query = "", fragment] = parts;
  if (fragment !== undefined) throw new SpecError("The W&B spec has a `#` in it.", "Write a # as %23.");
  switch (scheme.toLowerCase()) {
    case "wandb":
      return publicSpec(path, query);
    case OFFLINE_SCHEME:
      return offlineSpec(path, query);
    default:
      return hostedSpec(scheme.toLowerCase().slice("wandb+".length), path, query);
  }
}

/** The one spelling of a spec. */
export function formatSpec(spec: WandbSpec): string {
  const { entity, project } = spec;
  if (spec.mode === "offline") {
    const named = entity === "" ? "" : `&entity=${encodeURIComponent(entity)}`;
    return `${formatFolderSpec(OFFLINE_SCHEME, spec.folder)}?project=${encodeURIComponent(project)}${named}`;
  }
  const url = new URL(spec.url);
  const base = url.pathname.replace(/\/+$/, "");
  const query = [
    ...(base === "" ? [] : [`base=${base}`]),
    ...(spec.key === undefined ? [] : [`key=${formatReference(spec.key)}`]),
  ].join("&");
  const tail = `${encodeURIComponent(project)}${query === "" ? "" : `?${query}`}`;
  if (spec.url === PUBLIC_URL) return `wandb://${encodeURIComponent(entity)}/${tail}`;
  const owner = entity === "" ? "" : `${encodeURIComponent(entity)}/`;
  return `wandb+${url.protocol}//${url.host}/${owner}${tail}`;
}

/** What shares throttle and breaker: a server with a credential, or a folder. */
export function endpointOf(spec: WandbSpec): string {
  if (spec.mode === "offline") return formatFolderSpec(OFFLINE_SCHEME, spec.folder);
  return [spec.url, ...(spec.key === undefined ? [] : [formatReference(spec.key)])].join(" ");
}

function publicSpec(path: string, query: string): ServerSpec {
  const segments = path.replace(/\/$/, "").split("/");
  if (segments.length !== 2) {
    throw new SpecError("The path of the W&B spec is not an entity and a project.", EXAMPLE);
  }
  const [entity = "", project = ""] = segments.map(decoded);
  const key = readKey(readValues(query, ["key"]).get("key"));
  return { mode: "server", url: PUBLIC_URL, ...names(entity, project, EXAMPLE), ...key };
}

function hostedSpec(protocol: string, path: string, query: string): ServerSpec {
  const [host = "", ...rest] = path.replace(/\/$/, "").split("/");
  const url = URL.parse(`${protocol}://${host}`);
  if (host === "" || url === null) {
    throw new SpecError("The host or port of the W&B spec is not valid.", HOSTED);
  }
  if (url.username !== "" || url.password !== "") {
    throw new SpecError("The W&B spec carries credentials in its address.", SECRET_MEND);
  }
  const segments = rest[0] === "" ? rest.slice(1) : rest;
  if (segments.length < 1 || segments.length > 2) {
    throw new SpecError("The path of the W&B spec is not an entity and a project.", HOSTED);
  }
  const [entity = "", project = ""] = (segments.length === 1 ? ["", ...segments] : segments).map(decoded);
  const values = readValues(query, ["base", "key"]);
  const address = `${protocol}://${url.host}${readBase("W&B", values.get("base"), "Write it like `?base=/wandb`.")}`;
  return {
    mode: "server",
    url: address,
    ...names(entity, project, HOSTED),
    ...readKey(values.get("key")),
  };
}

function offlineSpec(path: string, query: string): OfflineSpec {
  const { folder } = parseFolderSpec(`${OFFLINE_SCHEME}://${path}`, OFFLINE_SCHEME, OFFLINE_EXAMPLE);
  const values = readValues(query, ["project", "entity"]);
  return {
    mode: "offline",
    folder,
    ...names(values.get("entity") ?? "", values.get("project") ?? "", OFFLINE),
  };
}

function names(entity: string, project: string, mend: string): { entity: string; project: string } {
  if (project === "") throw new SpecError("The W&B spec names no project.", mend);
  for (const [what, name] of Object.entries({ entity, project })) {
    if (/[/\\#?%:\p{Cc}]/u.test(name) || name !== name.trim()) {
      throw new SpecError(
        `The ${what} of the W&B spec has a character that W&B does not take.`,
        "Leave out / \\ # ? % : and spaces around it.",
      );
    }
    if ([...name].length > LONGEST_NAME) {
      throw new SpecError(`The ${what} of the W&B spec is longer than ${LONGEST_NAME} characters.`, mend);
    }
  }
  return { entity, project };
}

function readValues(text: string, known: readonly string[]): ReadonlyMap<string, string> {
  return readQuery("W&B", new URLSearchParams(text), known, `Known here: ${known.join(" and ")}.`);
}

function readKey(value: string | undefined): { readonly key?: Reference } {
  if (value === undefined) return {};
  const key = parseReference(value);
  if (key === undefined) throw new SpecError("The `key` of the W&B spec is not a reference.", SECRET_MEND);
  return { key };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new SpecError("The W&B spec is not percent-encoded UTF-8.", EXAMPLE);
  }
}
