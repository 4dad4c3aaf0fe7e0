/**
 * Specs of ClearML destinations.
 *
 *     clearml+http://HOST[:PORT]/PROJECT[?QUERY]       an API server, such as http://127.0.0.1:8008
 *     clearml+https://HOST[:PORT]/PROJECT[?QUERY]
 *     clearml://PROJECT[?QUERY]                        the servers that ClearML's own client would take, see servers.ts
 *     clearml+offline:///ABSOLUTE/FOLDER?project=NAME  a session for `Task.import_offline_session`
 *
 * PROJECT is one or more percent-encoded path segments, since ClearML's projects lie in one another: `team/digits`. QUERY
 * has `base=/PREFIX` when the API server lives under a path, `files=URL` and `web=URL` when the files server and the web
 * server are not where ClearML has them, and references to credentials, never credentials themselves:
 * `access_key=REF&secret_key=REF`, where REF is `env:NAME` or `file:/absolute/path`.
 */

import { formatReference, parseReference, type Reference } from "@pipekit/adapters/http";
import { SpecError } from "@pipekit/adapters/tracker";
import { formatFolderSpec, parseFolderSpec } from "../folder-spec.ts";
import { encodePath, readBase, readQuery } from "../spec-query.ts";

export const SCHEMES = ["clearml", "clearml+http", "clearml+https", "clearml+offline"] as const;

/** A pair of references. */
export interface KeyReferences {
  readonly access: Reference;
  readonly secret: Reference;
}

/** A destination at a server. */
export interface ServerSpec {
  readonly kind: "server";
  /** Address of the API server without a slash at its end; undefined when the daemon's settings name it. */
  readonly api: string | undefined;
  readonly files: string | undefined;
  readonly web: string | undefined;
  /** Names of nested projects joined by slashes. */
  readonly project: string;
  readonly keys: KeyReferences | undefined;
}

/** A destination in a folder. */
export interface OfflineSpec {
  readonly kind: "offline";
  /** Absolute path in which the session folder and its zip lie. */
  readonly folder: string;
  readonly project: string;
}

export type ClearmlSpec = ServerSpec | OfflineSpec;

const EXAMPLE = "Write it like `clearml+http://127.0.0.1:8008/my-project`.";
const OFFLINE = "clearml+offline";
const OFFLINE_EXAMPLE = "clearml+offline:///var/tmp/clearml?project=my-project";
const OFFLINE_MEND = `Write it like \`${OFFLINE_EXAMPLE}\`.`;
const SECRET_MEND =
  "Name where they are found: `?access_key=env:NAME&secret_key=env:NAME` or `file:/path`; without them the daemon's " +
  "CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY are taken.";
const BASE_MEND = "Write the API server's prefix as `?base=/api`.";
const KNOWN = ["base", "files", "web", "access_key", "secret_key"] as const;
/** ClearML takes no shorter name of a project. */
const SHORTEST_PROJECT = 3;

/** Reads a spec. Throws SpecError, which never repeats what might be a secret. */
export function parseSpec(spec: string): ClearmlSpec {
  if (/^\s*clearml\+offline:/i.test(spec)) return offlineSpec(spec);
  const parts = /^(clearml(?:\+https?)?):\/\/([^?]*)(?:\?(.*))?$/is.exec(spec.trim());
  if (parts === null)
    throw new SpecError("A ClearML spec starts with clearml:// and is one address.", EXAMPLE);
  const [, scheme = "", place = "", query = ""] = parts;
  if (`${place}${query}`.includes("#")) {
    throw new SpecError("The ClearML spec has a `#` in it.", "Write a # in a project's name as %23.");
  }
  if (place.includes("@"))
    throw new SpecError("The ClearML spec carries credentials in its address.", SECRET_MEND);
  const values = new URLSearchParams(query);
  if (scheme.toLowerCase() === "clearml") {
    const known = readValues(values, ["access_key", "secret_key"], "Write it like `clearml://my-project`.");
    const nowhere = { api: undefined, files: undefined, web: undefined };
    return { kind: "server", ...nowhere, project: readProject(place), keys: readKeys(known) };
  }
  return serverSpec(scheme.toLowerCase(), place, readValues(values, KNOWN, EXAMPLE));
}

/** The one spelling of a spec. */
export function formatSpec(spec: ClearmlSpec): string {
  if (spec.kind === "offline") {
    return `${formatFolderSpec(OFFLINE, spec.folder)}?project=${encodePath(spec.project)}`;
  }
  const project = encodePath(spec.project);
  if (spec.api === undefined) return withQuery(`clearml://${project}`, keyQuery(spec));
  const { protocol, host, pathname } = new URL(spec.api);
  const pairs = [
    ...(pathname === "/" ? [] : [`base=${pathname}`]),
    ...(spec.files === undefined ? [] : [`files=${encodeUrl(spec.files)}`]),
    ...(spec.web === undefined ? [] : [`web=${encodeUrl(spec.web)}`]),
    ...keyQuery(spec),
  ];
  return withQuery(`clearml+${protocol}//${host}/${project}`, pairs);
}

/** Server and credential references, without the project; of a session its folder. */
export function endpointOf(spec: ClearmlSpec): string {
  if (spec.kind === "offline") return `${OFFLINE} ${spec.folder}`;
  return [spec.api ?? "clearml", ...keyQuery(spec)].join(" ");
}

function serverSpec(scheme: string, place: string, query: ReadonlyMap<string, string>): ServerSpec {
  const slash = `${place}/`.indexOf("/");
  const authority = place.slice(0, slash);
  if (authority === "") throw new SpecError("The ClearML spec names no host.", EXAMPLE);
  const url = URL.parse(
    `${scheme.slice("clearml+".length)}://${authority}${readBase("ClearML", query.get("base"), BASE_MEND)}`,
  );
  if (url === null) throw new SpecError("The host or port of the ClearML spec is not valid.", EXAMPLE);
  return {
    kind: "server",
    api: `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, "")}`,
    files: readUrl("files", query.get("files")),
    web: readUrl("web", query.get("web")),
    project: readProject(place.slice(slash)),
    keys: readKeys(query),
  };
}

function offlineSpec(spec: string): OfflineSpec {
  const { folder, query } = parseFolderSpec(spec, OFFLINE, OFFLINE_EXAMPLE);
  const project = readValues(new URLSearchParams(query), ["project"], OFFLINE_MEND).get("project");
  if (project === undefined) throw new SpecError("The ClearML spec names no project.", OFFLINE_MEND);
  return { kind: "offline", folder, project: readProject(encodePath(project)) };
}

/** Each segment is decoded and trimmed, as ClearML does it; empty ones do not count. */
function readProject(path: string): string {
  const names = path
    .split("/")
    .flatMap((segment) => decoded(segment).split("/"))
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length === 0) throw new SpecError("The ClearML spec names no project.", EXAMPLE);
  if (names.some((name) => name.length < SHORTEST_PROJECT)) {
    throw new SpecError(
      `A project of the ClearML spec has a name of fewer than ${SHORTEST_PROJECT} characters.`,
      "Choose a longer name; ClearML takes no shorter one.",
    );
  }
  if (names.some((name) => /\p{Cc}/u.test(name))) {
    throw new SpecError("A project of the ClearML spec has control characters in its name.", EXAMPLE);
  }
  return names.join("/");
}

function readValues(
  query: URLSearchParams,
  known: readonly string[],
  example: string,
): ReadonlyMap<string, string> {
  return readQuery("ClearML", query, known, `Known keys are ${known.join(", ")}. ${example}`);
}

function readUrl(key: string, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const url = URL.parse(value);
  const plain = url !== null && url.username === "" && url.password === "" && url.search === "";
  if (plain && /^https?:$/.test(url.protocol)) {
    return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
  }
  throw new SpecError(
    `The \`${key}\` of the ClearML spec is not an http or https address.`,
    `Write it like \`?${key}=http://127.0.0.1:8081\`.`,
  );
}

function readKeys(query: ReadonlyMap<string, string>): KeyReferences | undefined {
  const [access, secret] = ["access_key", "secret_key"].map((key) => {
    const value = query.get(key);
    const reference = value === undefined ? undefined : parseReference(value);
    if (value !== undefined && reference === undefined) {
      throw new SpecError(`The \`${key}\` of the ClearML spec is not a reference.`, SECRET_MEND);
    }
    return reference;
  });
  if (access === undefined && secret === undefined) return undefined;
  if (access === undefined || secret === undefined) {
    throw new SpecError("The ClearML spec names one half of the credentials only.", SECRET_MEND);
  }
  return { access, secret };
}

function keyQuery({ keys }: ServerSpec): string[] {
  if (keys === undefined) return [];
  return [`access_key=${formatReference(keys.access)}`, `secret_key=${formatReference(keys.secret)}`];
}

function withQuery(address: string, pairs: readonly string[]): string {
  return pairs.length === 0 ? address : `${address}?${pairs.join("&")}`;
}

function encodeUrl(url: string): string {
  return encodeURIComponent(url).replace(/%(3A|2F|5B|5D)/g, decodeURIComponent);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new SpecError("The path of the ClearML spec is not percent-encoded UTF-8.", EXAMPLE);
  }
}
