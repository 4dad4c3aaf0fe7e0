/** What a user has set, from the editor's settings (section `pipekit`) or the initialization options. */
import { z } from "zod";
import type { EditorSettings } from "./features/feature.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

export interface ServerSettings extends EditorSettings {
  /** Specs of registries that files may name and that are looked in without a question. */
  readonly registries: readonly string[];
  readonly logLevel: LogLevel;
}

const FIELDS: { readonly [name in keyof ServerSettings]: z.ZodType<ServerSettings[name]> } = {
  registry: z.string().max(4096),
  inlayHints: z.boolean(),
  codeLens: z.boolean(),
  diagnostics: z.boolean(),
  pythonPath: z.array(z.string().max(4096)).max(1000),
  registries: z.array(z.string().max(4096)).max(1000),
  logLevel: z.enum(LOG_LEVELS),
};

export const DEFAULT_SETTINGS: ServerSettings = {
  registry: "",
  inlayHints: true,
  codeLens: true,
  diagnostics: true,
  pythonPath: [],
  registries: [],
  logLevel: "info",
};

/** Settings, and a sentence about each that is wrong; it counts as not set then. */
export interface ReadSettings {
  readonly settings: ServerSettings;
  readonly problems: readonly string[];
}

/** Reads the section `pipekit`. Keys that are not known belong to the editor's extension, and `null` is not set. */
export function readSettings(section: unknown, defaults: ServerSettings = DEFAULT_SETTINGS): ReadSettings {
  // An empty table of Lua is written as `[]`.
  const isEmpty = Array.isArray(section) && section.length === 0;
  if (section === undefined || section === null || isEmpty) return { settings: defaults, problems: [] };
  const given = z.record(z.string(), z.unknown()).safeParse(section).data;
  if (given === undefined)
    return { settings: defaults, problems: ["The setting `pipekit` must be an object."] };
  const problems: string[] = [];
  const read = Object.entries(FIELDS).flatMap(([name, schema]) => {
    const value = given[name];
    if (value === undefined || value === null) return [];
    const field = schema.safeParse(value);
    if (field.success) return [[name, field.data]];
    const { path = [], message } = field.error.issues[0] ?? {};
    problems.push(`The setting \`${["pipekit", name, ...path].join(".")}\` is not used: ${message}.`);
    return [];
  });
  return { settings: { ...defaults, ...Object.fromEntries(read) }, problems };
}

/** What the client says in `initializationOptions.pipekit` beside settings. */
export interface ClientOptions {
  /** It wants `pipekit/runStatus`, `pipekit/tagMoved` and `pipekit/daemonStatus`. */
  readonly notifications: boolean;
  /** It answers `pipekit/askText`. */
  readonly askText: boolean;
  /** Its settings. */
  readonly section: unknown;
}

const flag = z.boolean().nullish().catch(false);
const clientOptions = z.looseObject({
  pipekit: z.looseObject({ notifications: flag, askText: flag }).nullish(),
});

/** Reads the initialization options; what cannot be read counts as not said. */
export function readClientOptions(options: unknown): ClientOptions {
  const section = clientOptions.safeParse(options).data?.pipekit;
  return {
    notifications: section?.notifications === true,
    askText: section?.askText === true,
    section,
  };
}
