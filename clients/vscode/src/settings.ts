/** What the user has set under `pipekit` that concerns the extension itself; the language server asks for the rest. */
import { z } from "zod";

const line = z
  .string()
  .transform((text) => text.trim())
  .default("");

const SETTINGS = z.object({
  command: line,
  node: line,
  endpoint: line.refine((text) => text === "" || /^(unix:\/|https:\/\/).+/.test(text), {
    message: "must begin with unix:/ or https://",
  }),
  tokenFile: line,
  caFile: line,
  certFile: line,
  keyFile: line,
  stateDir: line,
  startDaemon: z.boolean().default(true),
  registry: line,
});

export type Settings = z.output<typeof SETTINGS>;

/** Settings at whose change the language server is started anew. */
export const STARTING_SETTINGS = [
  "command",
  "node",
  "endpoint",
  "tokenFile",
  "caFile",
  "certFile",
  "keyFile",
  "stateDir",
  "startDaemon",
] as const satisfies readonly (keyof Settings)[];

/** A setting that cannot be used; `setting` is its full name. */
export class SettingFault extends Error {
  override readonly name = "SettingFault";
  readonly setting: string;

  constructor(message: string, setting: string) {
    super(message);
    this.setting = setting;
  }
}

/** Reads the settings through `get`, such as the one of VS Code's configuration. Throws SettingFault. */
export function readSettings(get: (name: string) => unknown): Settings {
  const given = Object.fromEntries(Object.keys(SETTINGS.shape).map((name) => [name, get(name) ?? undefined]));
  const read = SETTINGS.safeParse(given);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const setting = `pipekit.${issue?.path.join(".") ?? ""}`;
  throw new SettingFault(`The setting ${setting} ${issue?.message ?? "cannot be read"}.`, setting);
}

/** The environment by which the language server finds the daemon that the settings name. */
export function connectionEnvironment(settings: Settings): Readonly<Record<string, string>> {
  const named = {
    PKX_ENDPOINT: settings.endpoint,
    PKX_TOKEN_FILE: settings.tokenFile,
    PKX_CA_FILE: settings.caFile,
    PKX_CLIENT_CERT_FILE: settings.certFile,
    PKX_CLIENT_KEY_FILE: settings.keyFile,
    PKX_STATE_DIR: settings.stateDir,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== ""));
}
