/** The daemon's config file as a bundle shows it: which settings there are, and what of them is no secret. */
import { existsSync, readFileSync } from "node:fs";
import { readYaml } from "../access/index.ts";
import { HIDDEN, type Redactor } from "./redactor.ts";
import { userinfoIn } from "./secrets.ts";

/** The config, read but not yet shown. */
export interface RawSettings {
  /** Why there is nothing to show; empty otherwise. */
  readonly fault: string;
  readonly values: Readonly<{ [name: string]: unknown }>;
}

export async function rawSettings(file: string): Promise<RawSettings> {
  if (!existsSync(file)) return { fault: "There is no file.", values: {} };
  const read = await readYaml(readFileSync(file, "utf8"));
  if ("fault" in read)
    return { fault: `It is no YAML (${read.fault.code}, line ${read.fault.line}).`, values: {} };
  const { values } = read;
  if (typeof values !== "object" || values === null || Array.isArray(values))
    return { fault: "It holds no map.", values: {} };
  return { fault: "", values: { ...values } };
}

/** What a setting holds; others are not known, and nothing of them is shown. */
const KINDS: { readonly [name: string]: Kind } = {
  ...of("word", "log_level", "tls_client_auth"),
  ...of("address", "listen", "metrics_listen"),
  ...of(
    "path",
    "tls_cert",
    "tls_key",
    "tls_client_ca",
    "token_file",
    "principals_file",
    "metrics_token_file",
  ),
  ...of("spec", "otlp_endpoint", "bridge", "fan_in"),
  ...of(
    "number",
    "idle_exit_s",
    "orphan_grace_s",
    "drain_s",
    "disk_quota_gb",
    "prune_after_days",
    "cache_gb",
  ),
  ...of("number", "otlp_interval_s", "trace_ratio"),
};

type Kind = "word" | "address" | "path" | "spec" | "number";

const FORMS: { readonly [kind in Kind]: (text: string) => boolean } = {
  word: (text) => /^(?:trace|debug|info|warn|error|fatal|required|optional)$/.test(text),
  address: (text) => /^(?:[\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i.test(text),
  path: (text) => text.startsWith("/") && existsSync(text),
  spec: (text) => /^[a-z][\w+.-]*:\/\//i.test(text),
  number: () => false,
};

function of(kind: Kind, ...names: readonly string[]): { readonly [name: string]: Kind } {
  return Object.fromEntries(names.map((name) => [name, kind]));
}

/** Texts that stand in the place of something else, and may be secrets: an error may repeat them. */
export function secretsInSettings({ values }: RawSettings): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (name === "trackers") return leaves(value).flatMap((text) => secretsIn("spec", text));
    if (name === "otlp_headers") return leaves(value).filter((text) => !/^(?:env|file):/.test(text));
    const kind = KINDS[name];
    if (kind === "number" && typeof value === "number") return [];
    return leaves(value).flatMap((text) => (kind === undefined ? [text] : secretsIn(kind, text)));
  });
}

function secretsIn(kind: Kind, text: string): string[] {
  if (!FORMS[kind](text)) return [text];
  if (kind !== "spec") return [];
  const [, query = ""] = text.split(/\?(.*)/s, 2);
  const values = [...new URLSearchParams(query).values()];
  return [...userinfoIn(text), ...values.filter((value) => !/^(?:env|file):/.test(value))];
}

export function settingsFacts(
  settings: RawSettings,
  redactor: Redactor,
): { readonly [name: string]: unknown } {
  if (settings.fault !== "") return { fault: settings.fault };
  const entries = Object.entries(settings.values).map(([name, value]) => [
    redactor.text(name),
    shown(name, value, redactor),
  ]);
  return Object.fromEntries(entries);
}

function shown(name: string, value: unknown, redactor: Redactor): unknown {
  if (typeof value === "boolean" || value === null) return value;
  if (typeof value === "number") return KINDS[name] === "number" ? value : HIDDEN;
  if (name === "otlp_headers") return Object.keys(Object(value)).map((header) => redactor.text(header));
  if (name === "trackers") {
    const trackers = Object.entries(Object(value)).map(([tracker, specs]) => [
      redactor.text(tracker),
      leaves(specs).map((spec) => shownText("spec", spec, redactor)),
    ]);
    return Object.fromEntries(trackers);
  }
  const kind = KINDS[name];
  return kind === undefined || typeof value !== "string" ? HIDDEN : shownText(kind, value, redactor);
}

function shownText(kind: Kind, text: string, redactor: Redactor): string {
  return FORMS[kind](text) ? redactor.spec(text) : HIDDEN;
}

/** All texts and numbers in a JSON value. */
function leaves(value: unknown): string[] {
  if (typeof value === "string" || typeof value === "number") return [String(value)];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(leaves);
}
