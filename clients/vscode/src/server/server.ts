/**
 * The language server as the rest of the extension sees it: requests, what is told, and how it is. It is started anew
 * when it ends, later each time, and when settings change by which it finds its program or its daemon.
 */
import type {
  EditorMethod,
  EditorNotification,
  EditorNotifications,
  EditorParams,
  EditorResults,
} from "@pipekit/proto/editor";
import * as vscode from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { failureOf } from "../failure.ts";
import { readSettings, SettingFault, STARTING_SETTINGS } from "../settings.ts";
import { type Life, newLife } from "./client.ts";
import { failedHealth, type Health, healthOf, restartDelay, STARTING, unavailable } from "./health.ts";
import { askText } from "./person.ts";
import { findProgram, type Surroundings } from "./program.ts";

/** A server that has lived this long was well: the next end is the first again. Milliseconds. */
const WELL_MS = 60_000;

export interface Notified<N extends EditorNotification = EditorNotification> {
  readonly method: N;
  readonly params: EditorNotifications[N];
}

const NOTIFICATIONS: readonly EditorNotification[] = [
  "pipekit/runStatus",
  "pipekit/points",
  "pipekit/tagMoved",
  "pipekit/daemonStatus",
];

export class Server implements vscode.Disposable {
  readonly #output: vscode.LogOutputChannel;
  readonly #surroundings: Surroundings;
  readonly #middleware: Middleware;
  readonly #health = new vscode.EventEmitter<Health>();
  readonly #notified = new vscode.EventEmitter<Notified>();
  readonly #started = new vscode.EventEmitter<void>();
  readonly #settings: vscode.Disposable;
  #life: Life | undefined;
  #startedAt = 0;
  #ends = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Starts and stops, one after another. */
  #turn: Promise<void> = Promise.resolve();
  #toldOf = "";
  #restarting = false;
  #disposed = false;
  health: Health = STARTING;

  readonly onHealth = this.#health.event;
  readonly onNotified = this.#notified.event;
  /** A server answers, the first or another one: what was known of the last is to be asked again. */
  readonly onStarted = this.#started.event;

  constructor(output: vscode.LogOutputChannel, surroundings: Surroundings, middleware: Middleware) {
    this.#output = output;
    this.#surroundings = surroundings;
    this.#middleware = {
      ...middleware,
      workspace: {
        // A server that is about to go needs no settings, and could not be told.
        didChangeConfiguration: async (sections, next) => {
          if (!this.#restarting) await next(sections);
        },
      },
    };
    this.#settings = vscode.workspace.onDidChangeConfiguration((change) => {
      if (STARTING_SETTINGS.some((name) => change.affectsConfiguration(`pipekit.${name}`))) {
        void this.restart();
      }
    });
  }

  /** Stops the server where there is one, and starts another. Never rejects: failures are told, and kept as `health`. */
  restart(): Promise<void> {
    this.#ends = 0;
    return this.#begin();
  }

  /** Throws the server's error, whose `data` is an EditorFailure. */
  async request<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    token?: vscode.CancellationToken,
  ): Promise<EditorResults[M]> {
    await this.#turn;
    const client = this.#life?.client;
    if (client === undefined || !client.isRunning()) throw unavailable(this.health);
    // An undefined token would count as another param.
    return client.sendRequest<EditorResults[M]>(method, params, ...(token === undefined ? [] : [token]));
  }

  /** Runs a command of the server, which asks the person itself where it changes something. */
  async execute(command: string, argument: unknown): Promise<void> {
    await this.#turn;
    const client = this.#life?.client;
    if (client === undefined || !client.isRunning()) throw unavailable(this.health);
    await client.sendRequest("workspace/executeCommand", { command, arguments: [argument] });
  }

  /** Commands that the server itself offers. */
  get commands(): readonly string[] {
    return this.#life?.client.initializeResult?.capabilities.executeCommandProvider?.commands ?? [];
  }

  async stop(): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#timer);
    await this.#turn;
    await this.#end();
  }

  dispose(): void {
    this.#settings.dispose();
    void this.stop();
    for (const emitter of [this.#health, this.#notified, this.#started]) emitter.dispose();
  }

  #begin(): Promise<void> {
    clearTimeout(this.#timer);
    this.#restarting = true;
    this.#turn = this.#turn.then(() => this.#start());
    return this.#turn;
  }

  async #start(): Promise<void> {
    await this.#end();
    this.#restarting = false;
    if (this.#disposed) return;
    this.#setHealth(STARTING);
    try {
      const settings = readSettings((name) => vscode.workspace.getConfiguration("pipekit").get(name));
      const program = await findProgram(settings, this.#surroundings);
      this.#output.info(`Starting ${[program.command, ...program.args].join(" ")}`);
      const life = newLife(program, this.#output, this.#middleware, () => this.#ended(life));
      this.#life = life;
      this.#startedAt = Date.now();
      for (const method of NOTIFICATIONS) {
        life.client.onNotification(method, (params) => this.#take(life, { method, params }));
      }
      life.client.onRequest("pipekit/askText", askText);
      await life.client.start();
      this.#toldOf = "";
      this.#started.fire();
    } catch (fault) {
      this.#fail(fault);
    }
  }

  #take(life: Life, notified: Notified): void {
    if (life !== this.#life) return;
    if (notified.method === "pipekit/daemonStatus") {
      this.#setHealth(healthOf((notified as Notified<"pipekit/daemonStatus">).params));
    }
    this.#notified.fire(notified);
  }

  /** The server ended unasked. */
  #ended(life: Life): void {
    if (life !== this.#life || this.#disposed) return;
    this.#life = undefined;
    if (Date.now() - this.#startedAt > WELL_MS) this.#ends = 0;
    this.#ends++;
    const delay = restartDelay(this.#ends);
    this.#output.warn(`The language server has ended; it is started again in ${delay} ms.`);
    this.#setHealth(failedHealth("The language server has ended.", "It is started again by itself."));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#begin(), delay);
  }

  #fail(fault: unknown): void {
    const { message } = failureOf(fault);
    this.#output.error(message);
    this.#setHealth(failedHealth(message, "See the output."));
    // A fault of the settings stands until they change; it is told once.
    if (!(fault instanceof SettingFault) || this.#toldOf === message) return;
    this.#toldOf = message;
    const open = "Open Settings";
    void vscode.window.showErrorMessage(`Pipekit: ${message}`, open).then((chosen) => {
      if (chosen === open)
        void vscode.commands.executeCommand("workbench.action.openSettings", fault.setting);
    });
  }

  async #end(): Promise<void> {
    const life = this.#life;
    this.#life = undefined;
    if (life === undefined) return;
    try {
      await life.client.dispose();
    } catch {
      // It was still starting, or did not answer.
    } finally {
      life.process()?.kill();
    }
  }

  #setHealth(health: Health): void {
    this.health = health;
    this.#health.fire(health);
  }
}
