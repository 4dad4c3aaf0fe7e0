/** The secrets of this user that can be known: what the environment holds, and files whose places are known. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { SECRET_NAME } from "../lifecycle/index.ts";
import { type Env, SAFE_VARIABLES } from "./environment.ts";

/** A value of a variable that is not named like a secret counts from this length on. */
const SHORTEST_UNNAMED = 8;
/** Names that may be those of secrets, or not. */
const DOUBTFUL_NAME = /pass|pwd|auth|cred|key|pin$|webhook|dsn/i;
const SHORTEST_DOUBTFUL = 5;
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
    env["AWS_CONFIG_FILE"] ?? "",
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
    const shortest = DOUBTFUL_NAME.test(name) ? SHORTEST_DOUBTFUL : SHORTEST_UNNAMED;
    return value.length < shortest || /^(?:[\d.,:/\s]*|false)$/.test(value)
      ? []
      : [value, ...userinfoIn(value)];
  });
}

/** Users and passwords of the URLs in a text, such as that of a proxy: as they stand there, and as a program reads them. */
export function userinfoIn(value: string): string[] {
  const words = [...value.matchAll(/:\/\/([^@/\s]+)@/g)].flatMap(([, userinfo = ""]) => userinfo.split(":"));
  return words.flatMap((word) => [word, decoded(word)]);
}

function decoded(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
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
