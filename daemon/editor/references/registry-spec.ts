/** The spec of a registry, as clients/python makes it of the constructor's arguments (registry*.py). */
import { homedir } from "node:os";
import { posix } from "node:path";
import type { CallValue, Value } from "./facts.ts";

/** Finds the plain value of an argument, through the names of constants. */
export type Plain = (value: Value) => Value;

const known = new WeakMap<CallValue, { readonly spec: string | undefined }>();

/** The spec that a call of a constructor gives; undefined where the file does not tell it. */
export function specOf(call: CallValue, plain: Plain): string | undefined {
  const before = known.get(call);
  if (before !== undefined) return before.spec;
  const spec = made(call, plain);
  const given = [...call.positional, ...call.named.map(([, value]) => value)];
  // What names stand for may change while the call stays.
  if (given.every(({ kind }) => kind !== "name" && kind !== "call")) known.set(call, { spec });
  return spec;
}

function made(call: CallValue, plain: Plain): string | undefined {
  const given = new Arguments(call, plain);
  switch (call.name) {
    case "registry":
    case "open_registry":
    case "DaemonRegistry":
      return given.text(0, "spec", "");
    case "LocalModelRegistry":
      return localSpec(given.text(0, "root", ""));
    case "S3ModelRegistry":
      return s3Spec(given);
    case "MLflowModelRegistry":
      return mlflowSpec(given);
    default:
      return undefined;
  }
}

/** No spec is longer, characters; and what trims one below may take the square of its length. */
const LONGEST = 4096;

/** Arguments of a call, looked up by place and by name. */
class Arguments {
  readonly #call: CallValue;
  readonly #plain: Plain;

  constructor(call: CallValue, plain: Plain) {
    this.#call = call;
    this.#plain = plain;
  }

  /** The text that is given, or `absent` when none is; undefined for one that the file does not tell. */
  text(at: number | undefined, name: string, absent: string): string | undefined {
    const { positional, named } = this.#call;
    const given = named.find(([key]) => key === name)?.[1] ?? (at === undefined ? undefined : positional[at]);
    if (given === undefined) return absent;
    const value = this.#plain(given);
    if (value.kind === "none") return absent;
    const isText = value.kind === "text" || value.kind === "literal";
    return isText && value.text.length <= LONGEST ? value.text : undefined;
  }
}

/** A relative folder is below the working folder of the program, which is not known here. */
function localSpec(root: string | undefined): string | undefined {
  if (root === "" || root === undefined) return root;
  const whole = root === "~" || root.startsWith("~/") ? `${homedir()}${root.slice(1)}` : root;
  if (!whole.startsWith("/")) return undefined;
  return `local:${posix.normalize(whole).replace(/(?<=.)\/+$/, "")}`;
}

const S3_OPTIONS = [
  "region",
  "endpoint",
  "path_style",
  "profile",
  "sse",
  "kms_key",
  "storage_class",
  "poll_ms",
  "unsafe_without_conditional_writes",
] as const;

function s3Spec(given: Arguments): string | undefined {
  const bucket = given.text(0, "bucket", "");
  const prefix = given.text(1, "prefix", "models/")?.replace(/^\/+|\/+$/g, "");
  if (!bucket || !prefix) return undefined;
  const query: string[] = [];
  for (const option of S3_OPTIONS) {
    const value = given.text(undefined, option, "");
    if (value === undefined) return undefined;
    const off = option === "unsafe_without_conditional_writes" && value === "false";
    if (value !== "" && !off) query.push(`${option}=${quoted(value)}`);
  }
  const path = prefix.split("/").map(quoted).join("/");
  return `s3://${quoted(bucket)}/${path}/${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** Without an address the program takes that of its environment, which is not known here. */
function mlflowSpec(given: Arguments): string | undefined {
  const name = given.text(0, "name", "pipekit-models");
  const address = given.text(1, "tracking_uri", "");
  const pollMs = given.text(undefined, "poll_ms", "");
  if (!name || !address || pollMs === undefined || !URL.canParse(address)) return undefined;
  const { protocol, host, pathname, username } = new URL(address);
  if (!/^https?:$/.test(protocol) || username !== "") return undefined;
  const base = pathname.replace(/^\/+|\/+$/g, "");
  const query = [...(base ? [`base=${quoted(`/${base}`)}`] : []), ...(pollMs ? [`poll_ms=${pollMs}`] : [])];
  return `mlflow+${protocol}//${host}/${quoted(name)}${query.length > 0 ? `?${query.join("&")}` : ""}`;
}

/** As Python's `quote` without safe characters. */
function quoted(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
