import type { Readable, Writable } from "node:stream";
import { EDITOR_PARAMS } from "@pipekit/proto/editor";
import {
  type CancellationToken,
  createMessageConnection,
  ErrorCodes,
  type MessageConnection,
  ResponseError,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import { reasonOf } from "../view/documents/failure.ts";
import type { View } from "../view/index.ts";
import { Answering } from "./answering.ts";
import { initializeResult } from "./capabilities.ts";
import { Desk, type Parts } from "./desk.ts";
import type { Handler } from "./language.ts";
import { Log } from "./log.ts";
import { PARAMS } from "./params.ts";
import { watchParent } from "./parent.ts";
import { errorOf, parsed } from "./wire/failure.ts";
import { GuardedReader } from "./wire/reader.ts";

export interface ServerOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** Stays open; its owner closes it. */
  readonly view: View;
  readonly env: NodeJS.ProcessEnv;
  /** Takes lines of the log. */
  readonly writeLog: (line: string) => void;
  /** The process that must live for this one to; `initialize` names it, too. */
  readonly parentPid?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One client's language server, on one pair of streams: its life from `initialize` to `exit`, and the way of each
 * message to what handles it.
 *
 * Architecture Invariant: no message and no failure of a feature ends the server; `exit`, the end of the input and the end of the parent do.
 */
export class EditorServer {
  readonly #options: ServerOptions;
  readonly #parts: Parts;
  readonly #connection: MessageConnection;
  readonly #log: Log;
  readonly #answering: Answering;
  readonly #ended = Promise.withResolvers<number>();
  #state: "fresh" | "running" | "shut down" | "ended" = "fresh";
  #desk: Desk | undefined;
  #unwatch: () => void = () => {};

  constructor(options: ServerOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    this.#log = new Log({
      line: options.writeLog,
      tell: (type, message) => {
        if (this.#state === "running") this.#notify("window/logMessage", { type, message });
      },
    });
    this.#answering = new Answering(this.#log);
    const writer = new StreamMessageWriter(options.output);
    const reader = new GuardedReader(options.input, (response) => {
      this.#log.warn(`A message was refused: ${response.error?.message}`);
      writer.write(response).catch(() => this.#log.debug("An answer could not be written."));
    });
    const log = (message: string) => this.#log.warn(message);
    const logger = { error: log, warn: log, info: log, log };
    this.#connection = createMessageConnection(reader, writer, logger);
    this.#connection.onRequest((method, params, token) => this.#request(method, params, token));
    this.#connection.onNotification((method, params) => this.#notified(method, params));
    this.#connection.onError(([error]) => this.#log.warn(`The connection: ${reasonOf(error)}`));
    this.#connection.onClose(() => this.#end());
  }

  /** Serves until the client is done or gone; resolves to the exit code: 0 after `shutdown`, 1 without. */
  async serve(): Promise<number> {
    const { signal, parentPid } = this.#options;
    const end = () => this.#end();
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    if (parentPid !== undefined) this.#unwatch = watchParent(parentPid, end);
    if (this.#state === "fresh") this.#connection.listen();
    try {
      return await this.#ended.promise;
    } finally {
      signal?.removeEventListener("abort", end);
    }
  }

  async #request(method: string, given: unknown, token: CancellationToken): Promise<unknown> {
    const params = named(given);
    if (method === "initialize") return this.#initialize(params);
    if (this.#desk === undefined) {
      throw new ResponseError(ErrorCodes.ServerNotInitialized, `${method} came before initialize.`);
    }
    if (this.#state !== "running") {
      throw new ResponseError(ErrorCodes.InvalidRequest, `${method} came after shutdown.`);
    }
    if (method === "shutdown") return this.#shutDown();
    const handler = this.#handler(method, this.#desk);
    if (handler === undefined) {
      throw new ResponseError(ErrorCodes.MethodNotFound, `There is no request ${method}.`);
    }
    return this.#answering.answer(method, (signal) => handler(params, signal), token);
  }

  #handler(method: string, desk: Desk): Handler | undefined {
    if (!Object.hasOwn(EDITOR_PARAMS, method)) return desk.handlers.get(method);
    return (params, signal) => desk.session.request(method, params ?? {}, signal);
  }

  #initialize(given: unknown): unknown {
    if (this.#state !== "fresh") {
      throw new ResponseError(ErrorCodes.InvalidRequest, "The server is initialized already.");
    }
    try {
      const params = parsed(PARAMS.initialize, given, "initialize");
      const client = {
        // A request without params is another one than a request with `undefined`, which would be sent as `[null]`.
        request: (method: string, ...asked: unknown[]) => this.#connection.sendRequest(method, ...asked),
        notify: (method: string, told: unknown) => this.#notify(method, told),
      };
      this.#desk = new Desk(params, { ...this.#options, parts: this.#parts, client, log: this.#log });
      this.#state = "running";
      if (params.processId != null) {
        this.#unwatch();
        this.#unwatch = watchParent(params.processId, () => this.#end());
      }
      const { name = "An editor", version } = params.clientInfo ?? {};
      this.#log.info(`${version === undefined ? name : `${name} ${version}`} is connected.`);
      return initializeResult(this.#desk.commands);
    } catch (error) {
      this.#log.error(`initialize failed: ${reasonOf(error)}`);
      throw errorOf(error);
    }
  }

  #notified(method: string, params: unknown): void {
    if (method === "exit") this.#end();
    else if (this.#state !== "running" || this.#desk === undefined) {
      this.#log.debug(`${method} came while the server was not running.`);
    } else {
      try {
        const known = this.#desk.take(method, named(params));
        if (!known && !method.startsWith("$/")) this.#log.debug(`There is no notification ${method}.`);
      } catch (error) {
        this.#log.warn(`${method} is left out: ${reasonOf(error)}`);
      }
    }
  }

  #shutDown(): null {
    this.#state = "shut down";
    this.#close();
    return null;
  }

  #end(): void {
    if (this.#state === "ended") return;
    const code = this.#state === "shut down" ? 0 : 1;
    this.#state = "ended";
    this.#close();
    this.#unwatch();
    this.#connection.dispose();
    this.#options.input.destroy();
    this.#ended.resolve(code);
  }

  #close(): void {
    this.#answering.close();
    this.#desk?.close();
  }

  #notify(method: string, params: unknown): void {
    if (this.#state === "ended") return;
    // It throws when the client has gone; the end of the input tells that, too.
    try {
      this.#connection.sendNotification(method, params).catch(() => undefined);
    } catch {}
  }
}

/** Params as they are by name: vscode-jsonrpc writes a single one that is no object, and none, as `[it]` and `[null]`. */
function named(params: unknown): unknown {
  return Array.isArray(params) && params.length <= 1 ? (params[0] ?? undefined) : params;
}
