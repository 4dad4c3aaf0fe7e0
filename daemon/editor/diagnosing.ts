/** Diagnostics of open files for a client that does not ask for them: sent when a text, or what is known, changes. */
import type { Diagnostic, PublishDiagnosticsParams } from "vscode-languageserver/node";
import { reasonOf } from "../view/documents/failure.ts";
import type { Log } from "./log.ts";
import { type EditedFile, TextChanged } from "./open-file.ts";

/** A person who types pauses this long between words, milliseconds. */
const QUIET_MS = 150;

export interface DiagnosingOptions {
  readonly log: Log;
  diagnose(file: EditedFile, signal: AbortSignal): Promise<Diagnostic[]>;
  send(params: PublishDiagnosticsParams): void;
}

export class Diagnosing {
  readonly #options: DiagnosingOptions;
  readonly #due = new Map<EditedFile, NodeJS.Timeout>();
  readonly #running = new Map<EditedFile, AbortController>();

  constructor(options: DiagnosingOptions) {
    this.#options = options;
  }

  /** Diagnoses a file once nothing has happened to it for a moment. */
  schedule(file: EditedFile): void {
    clearTimeout(this.#due.get(file));
    this.#due.set(
      file,
      setTimeout(() => void this.#diagnose(file), QUIET_MS),
    );
  }

  /** Takes back what was told about a file that is closed. */
  forget(file: EditedFile): void {
    this.#stop(file);
    this.#options.send({ uri: file.uri, diagnostics: [] });
  }

  close(): void {
    for (const file of [...this.#due.keys(), ...this.#running.keys()]) this.#stop(file);
  }

  #stop(file: EditedFile): void {
    clearTimeout(this.#due.get(file));
    this.#due.delete(file);
    this.#running.get(file)?.abort(new TextChanged());
  }

  async #diagnose(file: EditedFile): Promise<void> {
    this.#stop(file);
    const controller = new AbortController();
    this.#running.set(file, controller);
    const { diagnose, send, log } = this.#options;
    const { uri, version } = file;
    try {
      const diagnostics = await file.work(controller.signal, (signal) => diagnose(file, signal));
      send({ uri, version, diagnostics });
    } catch (error) {
      if (!(error instanceof TextChanged)) log.error(`Diagnostics of ${uri} failed: ${reasonOf(error)}`);
    } finally {
      if (this.#running.get(file) === controller) this.#running.delete(file);
    }
  }
}
