import { z } from "zod";
import { reasonOf } from "../view/documents/failure.ts";
import type { ClientAbilities } from "./capabilities.ts";
import type { Log } from "./log.ts";
import type { ClientLink, Person } from "./person.ts";
import { readSettings, type ServerSettings } from "./settings.ts";

export interface SettingsSourceOptions {
  readonly client: ClientLink;
  readonly log: Log;
  readonly person: Person;
  readonly abilities: ClientAbilities;
  /** Of the initialization options: they count where the editor's settings say nothing. */
  readonly defaults: unknown;
  changed(): void;
}

const sections = z.array(z.unknown());
const pushed = z.looseObject({ pipekit: z.unknown().optional() });

/** The settings of now. Asked of the client where it can be asked, else as it tells them. A wrong one is told to the person, once. */
export class SettingsSource {
  readonly #options: SettingsSourceOptions;
  readonly #defaults: ServerSettings;
  #problems: readonly string[];
  #settings: ServerSettings;

  constructor(options: SettingsSourceOptions) {
    this.#options = options;
    const { settings, problems } = readSettings(options.defaults);
    this.#defaults = settings;
    this.#settings = settings;
    this.#problems = problems;
    options.log.level = settings.logLevel;
  }

  get settings(): ServerSettings {
    return this.#settings;
  }

  /** The client is ready to be asked. */
  begin(): void {
    const { client, abilities, log } = this.#options;
    this.#tellProblems();
    if (abilities.registersConfiguration) {
      const method = "workspace/didChangeConfiguration";
      const registerOptions = { section: "pipekit" };
      const registrations = [{ id: "pipekit-settings", method, registerOptions }];
      client.request("client/registerCapability", { registrations }).catch((error: unknown) => {
        log.warn(`The editor will not tell of settings: ${reasonOf(error)}`);
      });
    }
    if (abilities.configuration) void this.#ask();
  }

  /** `settings`: what `workspace/didChangeConfiguration` has. */
  changed(settings: unknown): void {
    if (this.#options.abilities.configuration) void this.#ask();
    else this.#take(pushed.safeParse(settings).data?.pipekit);
  }

  async #ask(): Promise<void> {
    try {
      const items = [{ section: "pipekit" }];
      const answer = await this.#options.client.request("workspace/configuration", { items });
      this.#take(sections.parse(answer)[0]);
    } catch (error) {
      this.#options.log.warn(`The editor did not tell its settings: ${reasonOf(error)}`);
    }
  }

  #take(section: unknown): void {
    const { log, changed } = this.#options;
    const { settings, problems } = readSettings(section, this.#defaults);
    this.#settings = settings;
    this.#problems = problems;
    log.level = settings.logLevel;
    this.#tellProblems();
    changed();
  }

  #tellProblems(): void {
    for (const problem of this.#problems) this.#options.person.tellOnce("warning", problem);
  }
}
