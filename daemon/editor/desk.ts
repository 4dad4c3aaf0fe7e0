import type { DaemonDocument } from "@pipekit/proto/editor";
import type { z } from "zod";
import { reasonOf } from "../view/documents/failure.ts";
import type { View, ViewSession } from "../view/index.ts";
import { type ClientAbilities, clientAbilities } from "./capabilities.ts";
import { Diagnosing } from "./diagnosing.ts";
import { Documents } from "./documents.ts";
import type { FeatureContext, Features } from "./features/feature.ts";
import { type Handler, languageHandlers } from "./language.ts";
import type { Log } from "./log.ts";
import { NamedRegistries } from "./named-registries.ts";
import { type InitializeParams, PARAMS } from "./params.ts";
import { type ClientLink, Person } from "./person.ts";
import type { SourceFile } from "./references/reference.ts";
import { type ClientOptions, readClientOptions } from "./settings.ts";
import { SettingsSource } from "./settings-source.ts";
import { parsed } from "./wire/failure.ts";
import { Workspace } from "./workspace.ts";

/** What the server is made of beside itself; tests put others in their place. */
export interface Parts {
  features(context: FeatureContext): Features;
  /** Undefined for a language that has no references. */
  openSource(languageId: string, text: string): SourceFile | undefined;
}

export interface DeskOptions {
  readonly view: View;
  readonly env: NodeJS.ProcessEnv;
  readonly parts: Parts;
  readonly client: ClientLink;
  readonly log: Log;
}

/** Changes that come together are told together, milliseconds. */
const REFRESH_MS = 100;

/** What an initialized client works at: its open files, settings and folders, and the features over them. */
export class Desk {
  readonly handlers: ReadonlyMap<string, Handler>;
  readonly session: ViewSession;
  readonly #options: DeskOptions;
  readonly #abilities: ClientAbilities;
  readonly #said: ClientOptions;
  readonly #settings: SettingsSource;
  readonly #documents: Documents;
  readonly #diagnosing: Diagnosing;
  readonly #workspace = new Workspace();
  readonly #features: Features;
  readonly #registries: NamedRegistries;
  readonly #person: Person;
  readonly #unwatch: () => void;
  readonly #takers: ReadonlyMap<string, (params: unknown) => void>;
  #refreshing: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(params: InitializeParams, options: DeskOptions) {
    const { view, parts, client, log } = options;
    this.#options = options;
    this.#abilities = clientAbilities(params);
    this.#said = readClientOptions(params.initializationOptions);
    this.#workspace.begin(params);
    this.#person = new Person(client, log);
    this.#settings = new SettingsSource({
      client,
      log,
      person: this.#person,
      abilities: this.#abilities,
      defaults: this.#said.section,
      changed: () => this.#changed(),
    });
    this.#registries = new NamedRegistries({
      view,
      ask: this.#person.ask,
      trusted: () => [this.#settings.settings.registry, ...this.#settings.settings.registries],
    });
    const features = parts.features(this.#context());
    this.#features = features;
    this.handlers = languageHandlers({ features, log, file: (uri) => this.#documents.get(uri) });
    this.#diagnosing = new Diagnosing({
      log,
      diagnose: (file, signal) => features.diagnostics(file, signal),
      send: (diagnostics) => client.notify("textDocument/publishDiagnostics", diagnostics),
    });
    const pushes = !this.#abilities.pullsDiagnostics;
    this.#documents = new Documents({
      log,
      openSource: parts.openSource,
      changed: (file) => pushes && this.#diagnosing.schedule(file),
      closed: (file) => pushes && this.#diagnosing.forget(file),
    });
    this.session = view.session((method, told) => client.notify(method, told));
    this.#unwatch = view.link.onStatus((status) => this.#daemonChanged(status));
    this.#takers = this.#allTakers();
  }

  /** Commands of `workspace/executeCommand`. */
  get commands(): readonly string[] {
    return this.#features.commands;
  }

  /** Takes a notification; false for one that is not known. Throws PipekitError for params that are wrong. */
  take(method: string, params: unknown): boolean {
    const taker = this.#takers.get(method);
    taker?.(params);
    return taker !== undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#refreshing);
    this.#unwatch();
    this.#diagnosing.close();
    for (const file of this.#documents.all()) file.end();
    this.session.close();
    this.#features.close();
    this.#registries.close();
  }

  #allTakers(): Map<string, (params: unknown) => void> {
    const takers = new Map<string, (params: unknown) => void>([["initialized", () => this.#begin()]]);
    const take = <P>(method: string, schema: z.ZodType<P>, taker: (params: P) => void) =>
      takers.set(method, (params) => taker(parsed(schema, params, method)));
    take("textDocument/didOpen", PARAMS.didOpen, (params) => this.#documents.open(params));
    take("textDocument/didChange", PARAMS.didChange, (params) => this.#documents.change(params));
    take("textDocument/didClose", PARAMS.file, ({ textDocument: { uri } }) => this.#documents.close(uri));
    // When it was written counts for what is told about tags that have moved.
    take("textDocument/didSave", PARAMS.file, () => this.#changed());
    take("workspace/didChangeConfiguration", PARAMS.didChangeConfiguration, (params) =>
      this.#settings.changed(params.settings),
    );
    take("workspace/didChangeWorkspaceFolders", PARAMS.didChangeWorkspaceFolders, ({ event }) => {
      this.#workspace.change(event);
      this.#changed();
    });
    return takers;
  }

  #begin(): void {
    if (this.#said.notifications) this.session.watch();
    this.#settings.begin();
  }

  #context(): FeatureContext {
    const { env } = this.#options;
    const settings = () => this.#settings.settings;
    const folders = () => this.#workspace.folders;
    return {
      view: this.#registries.view,
      env,
      get settings() {
        return settings();
      },
      get workspaceFolders() {
        return folders();
      },
      markdown: this.#abilities.markdown,
      ask: this.#person.ask,
      tell: this.#person.tell,
      ...(this.#said.askText && { askText: this.#person.askText }),
      changed: () => this.#changed(),
      now: () => Date.now() * 1000,
    };
  }

  /** Has the editor ask anew for what it shows about open files. */
  #changed(): void {
    if (this.#closed) return;
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = undefined;
      if (!this.#abilities.pullsDiagnostics) {
        for (const file of this.#documents.all()) this.#diagnosing.schedule(file);
      }
      for (const method of this.#abilities.refreshes) {
        this.#options.client.request(method).catch((error: unknown) => {
          this.#options.log.debug(`${method} was not answered: ${reasonOf(error)}`);
        });
      }
    }, REFRESH_MS);
  }

  #daemonChanged({ state, message, mend }: DaemonDocument): void {
    this.#options.log.info(`The daemon is ${state}. ${message}`);
    if (state !== "unavailable" && state !== "incompatible") return;
    this.#person.tellOnce("warning", `pipekit: ${message} ${mend}`.trim(), state);
  }
}
