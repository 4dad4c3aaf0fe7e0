/**
 * Specs of MLflow destinations.
 *
 *     mlflow://HOST[:PORT]/EXPERIMENT[?QUERY]          http
 *     mlflow+http://HOST[:PORT]/EXPERIMENT[?QUERY]     the same
 *     mlflow+https://HOST[:PORT]/EXPERIMENT[?QUERY]    https
 *
 * EXPERIMENT is exactly one path segment, percent-encoded: a slash in a name is %2F. QUERY has
 * `base=/PREFIX` when the server lives under a path, and references to credentials, never credentials themselves:
 * `token=REF`, or `username=REF&password=REF`, where REF is `env:NAME` or `file:/absolute/path`.
 */

import { formatReference, parseReference, type Reference } from "@pipekit/adapters/http";
import { SpecError } from "@pipekit/adapters/tracker";
import { readBase, readQuery } from "../spec-query.ts";

/** What the path of a spec names, and how to speak of it. */
export interface Grammar {
  /** Such as `experiment`. */
  readonly noun: string;
  /** Keys of the query. */
  readonly keys: readonly string[];
  /** A right spec. */
  readonly example: string;
}

/** A spec, understood. */
export interface MlflowSpec {
  readonly secure: boolean;
  /** `host` or `host:port`, lower case, default port left out. */
  readonly authority: string;
  /** Empty, or a path that starts with a slash and does not end in one. */
  readonly base: string;
  readonly experiment: string;
  readonly token?: Reference;
  readonly username?: Reference;
  readonly password?: Reference;
}

export const SCHEMES = ["mlflow", "mlflow+http", "mlflow+https"] as const;

const TRACKER: Grammar = {
  noun: "experiment",
  keys: ["base", "token", "username", "password"],
  example: "mlflow://127.0.0.1:5000/my-experiment",
};
const SECRET_MEND =
  "Name where it is found: `?token=env:NAME`, `?username=env:NAME&password=env:NAME` or `file:/path`.";
const LONGEST_EXPERIMENT = 500;

/** Reads a spec. Throws SpecError, which never repeats what might be a secret. */
export function parseSpec(spec: string): MlflowSpec {
  return readSpec(spec, TRACKER).spec;
}

/** Reads a spec that may name a server without an experiment, which is then empty. Throws SpecError. */
export function parseSource(spec: string): MlflowSpec {
  const [, server, query = ""] = /^([^/]*:\/\/[^/?#]*)\/?(\?.*)?$/s.exec(spec.trim()) ?? [];
  if (server === undefined) return parseSpec(spec);
  return { ...parseSpec(`${server}/-${query}`), experiment: "" };
}

/** Reads a spec whose path names something else, or whose query has more keys. Throws SpecError. */
export function readSpec(
  spec: string,
  grammar: Grammar,
): { readonly spec: MlflowSpec; readonly query: ReadonlyMap<string, string> } {
  const { noun, keys, example } = grammar;
  const write = `Write it like \`${example}\`.`;
  const prefixMend =
    "Write one segment, a slash in its name as %2F, and a server's prefix as `?base=/prefix`: " +
    `\`${example}?base=/prefix\`.`;
  const parts = /^(mlflow(?:\+https?)?):\/\/(.*)$/is.exec(spec.trim());
  if (parts === null) throw new SpecError("An MLflow spec starts with mlflow://.", write);
  const secure = parts[1]?.toLowerCase() === "mlflow+https";
  const url = address(secure, parts[2] ?? "", write);
  if (url.username !== "" || url.password !== "") {
    throw new SpecError("The MLflow spec carries credentials in its address.", SECRET_MEND);
  }
  if (url.hash !== "") {
    throw new SpecError("The MLflow spec has a `#` in it.", `Write a # in the name of the ${noun} as %23.`);
  }
  const known = `${keys.slice(0, -1).join(", ")} and ${keys.at(-1)}`;
  const knownMend = `Known keys are ${known}, as in \`${example}?token=env:NAME\`.`;
  const query = readQuery("MLflow", url.searchParams, keys, knownMend);
  return {
    spec: {
      secure,
      authority: url.host,
      base: readBase("MLflow", query.get("base"), prefixMend),
      experiment: readName(url.pathname, noun, write, prefixMend),
      ...readCredentials(query),
    },
    query,
  };
}

/** The one spelling of a spec. */
export function formatSpec(spec: MlflowSpec): string {
  const scheme = spec.secure ? "mlflow+https" : "mlflow";
  const query = [...(spec.base === "" ? [] : [`base=${spec.base}`]), ...credentialQuery(spec)].join("&");
  const experiment = encodeURIComponent(spec.experiment);
  return `${scheme}://${spec.authority}/${experiment}${query === "" ? "" : `?${query}`}`;
}

/** Server and credential references, without the experiment. */
export function endpointOf(spec: MlflowSpec): string {
  return [trackingUrl(spec), ...credentialQuery(spec)].join(" ");
}

/** Address of the server, without a slash at its end. */
export function trackingUrl(spec: MlflowSpec): string {
  return `${spec.secure ? "https" : "http"}://${spec.authority}${spec.base}`;
}

function address(secure: boolean, rest: string, mend: string): URL {
  if (/^(?:[/?#]|$)/.test(rest)) throw new SpecError("The MLflow spec names no host.", mend);
  try {
    return new URL(`${secure ? "https" : "http"}://${rest}`);
  } catch {
    throw new SpecError("The host or port of the MLflow spec is not valid.", mend);
  }
}

function readName(pathname: string, noun: string, mend: string, prefixMend: string): string {
  const segments = pathname.replace(/^\//, "").replace(/\/$/, "").split("/");
  if (segments.length > 1) {
    throw new SpecError("The path of the MLflow spec has several segments.", prefixMend);
  }
  let name: string;
  try {
    name = decodeURIComponent(segments[0] ?? "");
  } catch {
    throw new SpecError(`The ${noun} of the MLflow spec is not percent-encoded UTF-8.`, mend);
  }
  if (name.trim() === "") throw new SpecError(`The MLflow spec names no ${noun}.`, mend);
  if ([...name].length > LONGEST_EXPERIMENT) {
    throw new SpecError(
      `The name of the ${noun} is longer than ${LONGEST_EXPERIMENT} characters.`,
      "Choose a shorter name; MLflow takes no longer one.",
    );
  }
  return name;
}

function readCredentials(
  query: ReadonlyMap<string, string>,
): Pick<MlflowSpec, "token" | "username" | "password"> {
  const token = readReference("token", query.get("token"));
  const username = readReference("username", query.get("username"));
  const password = readReference("password", query.get("password"));
  if (token !== undefined && (username !== undefined || password !== undefined)) {
    throw new SpecError("The MLflow spec names both a token and a user.", "Leave one of them.");
  }
  if ((username === undefined) !== (password === undefined)) {
    const lacking = username === undefined ? "username" : "password";
    throw new SpecError(`The MLflow spec names no \`${lacking}\` beside the other half.`, SECRET_MEND);
  }
  if (token !== undefined) return { token };
  return username === undefined || password === undefined ? {} : { username, password };
}

function readReference(key: string, value: string | undefined): Reference | undefined {
  if (value === undefined) return undefined;
  const reference = parseReference(value);
  if (reference !== undefined) return reference;
  throw new SpecError(`The \`${key}\` of the MLflow spec is not a reference.`, SECRET_MEND);
}

function credentialQuery(spec: MlflowSpec): string[] {
  const references = { username: spec.username, password: spec.password, token: spec.token };
  return Object.entries(references).flatMap(([key, reference]) => {
    return reference === undefined ? [] : [`${key}=${formatReference(reference)}`];
  });
}
