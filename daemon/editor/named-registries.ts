/**
 * Registries that files name, and whether they may be looked in.
 *
 * Architecture Invariant: a file that is opened never chooses where the daemon's secrets go. The daemon takes part of them
 * to a registry's server: the file or variable that a spec names (`?token=file:...`), or what it has for such servers. So
 * the person says first that a server may be asked.
 */
import { PipekitError, unlessAborted } from "@pipekit/proto";
import { anyOf } from "../view/aborting.ts";
import type { ModelIndex, Stop, View } from "../view/index.ts";
import type { FeatureContext } from "./features/feature.ts";
import { clipped } from "./features/words.ts";

/** Names no server: a folder of the daemon's host. */
const FOLDER = /^local:/;
const YES = "Show models";
/** A file that names hundreds of them must not make hundreds of questions. */
const MOST_QUESTIONS = 5;
const LONGEST_SHOWN = 200;

export interface NamedRegistriesOptions {
  readonly view: View;
  /** Specs that the user has set: they, and what lies below one that ends in a slash, are asked without a question. */
  readonly trusted: () => readonly string[];
  readonly ask: FeatureContext["ask"];
}

export class NamedRegistries {
  readonly #options: NamedRegistriesOptions;
  readonly #answers = new Map<string, Promise<boolean>>();
  readonly #granted = new Set<string>();
  readonly #waiting = new Set<{ readonly registry: string; readonly granted: () => void }>();
  readonly #closing = new AbortController();
  /** Questions, one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: NamedRegistriesOptions) {
    this.#options = options;
  }

  /** The view as features may use it: a registry that is not allowed is never told of to the daemon. */
  get view(): View {
    const { view } = this.#options;
    return {
      link: view.link,
      get runs() {
        return view.runs;
      },
      models: (registry) => (this.#isAllowed(registry) ? view.models(registry) : this.#guarded(registry)),
      ask: async (method, params, signal) => {
        const registry = "registry" in params ? params.registry : undefined;
        if (typeof registry === "string") await this.#allowed(registry, signal);
        return view.ask(method, params, signal);
      },
      session: (notify) => view.session(notify),
      close: () => view.close(),
    };
  }

  close(): void {
    this.#closing.abort(new Error("The editor was closed."));
  }

  #isAllowed(registry: string): boolean {
    return (
      registry === "" ||
      FOLDER.test(registry) ||
      this.#granted.has(registry) ||
      this.#options.trusted().some((trusted) => covers(trusted, registry))
    );
  }

  /** Resolves once the registry may be looked in. Throws REGISTRY_UNAVAILABLE where the person will not, or the signal's reason. */
  async #allowed(registry: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isAllowed(registry)) return;
    const answer = this.#answers.get(registry) ?? this.#question(registry);
    if (await unlessAborted(answer, anyOf(signal, this.#closing.signal))) return;
    if (this.#isAllowed(registry)) return;
    throw new PipekitError(
      "REGISTRY_UNAVAILABLE",
      "A file names this registry, and it was not allowed to look in it.",
      { field: "registry", mend: "Add its spec to your setting `pipekit.registries`." },
    );
  }

  #question(registry: string): Promise<boolean> {
    const isTooMany = this.#answers.size >= MOST_QUESTIONS;
    if (isTooMany) return Promise.resolve(false);
    const message =
      `A file names the registry ${clipped(registry, LONGEST_SHOWN)}. To show its models, the daemon asks that ` +
      "server, and sends the credentials that the spec names or that it has for such servers.";
    const answer = this.#turn.then(async () => {
      if (this.#closing.signal.aborted || (await this.#options.ask(message, [YES, "Not Now"])) !== YES) {
        return false;
      }
      this.#granted.add(registry);
      return true;
    });
    this.#turn = answer.catch(() => undefined);
    this.#answers.set(registry, answer);
    return answer;
  }

  /** An index of which nothing is known until it is allowed. */
  #guarded(registry: string): ModelIndex {
    const open = () => (this.#isAllowed(registry) ? this.#options.view.models(registry) : undefined);
    const after = async (signal: AbortSignal | undefined, then: (index: ModelIndex) => Promise<void>) => {
      await this.#allowed(registry, signal);
      for (const waiting of this.#waiting) if (waiting.registry === registry) waiting.granted();
      await then(this.#options.view.models(registry));
    };
    return {
      registry,
      ready: (signal) => after(signal, (index) => index.ready(signal)),
      refresh: (signal) => after(signal, (index) => index.refresh(signal)),
      get filled() {
        return open()?.filled ?? false;
      },
      get readAtUs() {
        return open()?.readAtUs ?? 0;
      },
      get size() {
        return open()?.size ?? 0;
      },
      tags: () => open()?.tags() ?? [],
      tag: (name) => open()?.tag(name),
      model: (hash) => open()?.model(hash),
      find: (text, limit) => open()?.find(text, limit) ?? [],
      onChange: (changed) =>
        this.#onceOpen(registry, () => this.#options.view.models(registry).onChange(changed)),
    };
  }

  /** Begins to listen when the registry is allowed. */
  #onceOpen(registry: string, listen: () => Stop): Stop {
    let stop: Stop | undefined;
    const waiting = {
      registry,
      granted: () => {
        this.#waiting.delete(waiting);
        stop = listen();
      },
    };
    this.#waiting.add(waiting);
    return () => {
      this.#waiting.delete(waiting);
      stop?.();
    };
  }
}

/** Whether a spec is the trusted one, or lies below it. A query could lead elsewhere, and must have been trusted with it. */
function covers(trusted: string, registry: string): boolean {
  if (trusted === registry) return true;
  return trusted.endsWith("/") && registry.startsWith(trusted) && !/[?#]/.test(registry);
}
