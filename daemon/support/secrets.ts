/** The secrets of this user that can be known: what the environment holds, and files whose places are known. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { SECRET_NAME } from "../lifecycle/index.ts";
import { SAFE_VARIABLES } from "./environment.ts";

type Env = Readonly<{ [name: string]: string | undefined }>;

/** A value of a variable that is not named like a secret counts from this length on. */
const SHORTEST_UNNAMED = 8;
/** A longer file holds more than a token, bytes. */
const LONGEST_FILE = 64 * 1024;

/** Where secrets may be. */
export interface SecretPlaces {
  /** Environments of this process and of the daemon. */
  readonly envs: readonly Env[];
  /** Files that may name others as `file:/path`: the config, and the principals that it names. */
  readonly naming: readonly string[];
  /** More files that hold a secret each. */
  readonly files: readonly string[];
  readonly home: string;
}

export function knownSecrets({ envs, naming, files, home }: SecretPlaces): string[] {
  const named = naming.flatMap((file) =>
    [...contentOf(file).matchAll(/file:(\/[^\s\]},"'&]+)/g)].map(([, path = ""]) => path),
  );
  const settings = naming.flatMap((file) =>
    [...contentOf(file).matchAll(/^\s*\w+_(?:file|key):\s*["']?(\/[^\s"']+)/gm)].map(([, path = ""]) => path),
  );
  return [
    ...envs.flatMap(valuesOf),
    ...envs.flatMap((env) => TOKEN_VARIABLES.map((name) => env[name] ?? "")).flatMap(tokenIn),
    ...[...named, ...settings, ...files].flatMap(tokenIn),
    ...envs.flatMap((env) => credentialFiles(env, home)).flatMap(credentialsIn),
  ];
}

/** Variables that name files with secrets. */
const TOKEN_VARIABLES = [
  ...["PKX_TOKEN_FILE", "PKX_METRICS_TOKEN_FILE", "PKX_CLIENT_KEY_FILE", "PKX_TLS_KEY"],
  ...["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
];

function credentialFiles(env: Env, home: string): string[] {
  return [
    env["NETRC"] ?? "",
    env["AWS_SHARED_CREDENTIALS_FILE"] ?? "",
    env["CLEARML_CONFIG_FILE"] ?? "",
    ...[".netrc", "_netrc", ".mlflow/credentials", ".aws/credentials", ".aws/config", "clearml.conf"].map(
      (name) => join(home, name),
    ),
  ];
}

/** All values but those that say where something is, and such as are known to be harmless. */
function valuesOf(env: Env): string[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    if (SAFE_VARIABLES.has(name) || existsSync(value)) return [];
    if (SECRET_NAME.test(name)) return [value];
    return value.length < SHORTEST_UNNAMED || /^[\d.,:/\s]*$/.test(value)
      ? []
      : [value, ...userinfoIn(value)];
  });
}

/** User and password of a URL, such as that of a proxy. */
function userinfoIn(value: string): string[] {
  const [, userinfo = ""] = /:\/\/([^@/\s]+)@/.exec(value) ?? [];
  return userinfo.split(":");
}

/** A file that holds one token, or a word on each line. */
function tokenIn(file: string): string[] {
  return contentOf(file).split(/\s+/);
}

/** What stands behind `password` in a netrc file, and behind `=` or `:` in others. */
function credentialsIn(file: string): string[] {
  const text = contentOf(file);
  const netrc = [...text.matchAll(/\b(?:login|password|account)\s+(\S+)/g)].map(([, word = ""]) => word);
  const others = [...text.matchAll(/[=:]\s*["']?([^\s"',]+)/g)].map(([, word = ""]) => word);
  return [
    ...netrc,
    ...others.filter((word) => !/^(?:https?:|true$|false$)/.test(word) && word.length >= SHORTEST_UNNAMED),
  ];
}

function contentOf(file: string): string {
  try {
    return statSync(file).size > LONGEST_FILE ? "" : readFileSync(file, "utf8");
  } catch {
    // Not there, or not ours to read: then it is in no text of ours either.
    return "";
  }
}
