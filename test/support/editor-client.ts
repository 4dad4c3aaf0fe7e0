/** An editor for tests: starts a real `pkx lsp --stdio`, talks to it over vscode-jsonrpc, and notes what it is told. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import {
  type CancellationToken,
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import type { ClientCapabilities, InitializeResult, Range } from "vscode-languageserver/node";
import type { Exit } from "./daemon.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** What is waited for comes within this time, milliseconds, or the test fails. */
const WAIT_MS = 20_000;

export interface EditorOptions {
  /** Over the environment of the test; such as `daemon.clientEnv`. */
  readonly env?: Readonly<{ [name: string]: string | undefined }>;
  /** More arguments for `lsp`, such as `--no-start`. */
  readonly args?: readonly string[];
  /** What to run instead of daemon/main.ts. */
  readonly script?: string;
}

/** What is said in `initialize`. */
export interface InitializeOptions {
  readonly capabilities?: ClientCapabilities;
  readonly workspaceFolders?: readonly { readonly uri: string; readonly name: string }[];
  readonly initializationOptions?: unknown;
  readonly processId?: number | null;
}

/** A change of a range, or of the whole text where it has none. */
export interface Change {
  readonly range?: Range;
  readonly text: string;
}

type Answer = (params: never) => unknown;

/** An editor under test. `await using` ends it. */
export class TestEditor implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly connection: MessageConnection;
  /** Resolves when the process is gone. */
  readonly exited: Promise<Exit>;
  readonly #received: { readonly method: string; readonly params: unknown }[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #waiting = new Set<() => void>();
  #stderr = "";

  constructor(options: EditorOptions = {}) {
    const script = options.script ?? join(ROOT, "daemon/main.ts");
    this.child = spawn(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", script, "lsp", "--stdio", ...(options.args ?? [])],
      { env: { ...process.env, PKX_CONFIG: undefined, ...options.env }, stdio: "pipe" },
    );
    this.exited = once(this.child, "exit").then(([code, signal]): Exit => ({ code, signal }));
    const { stdin, stdout, stderr } = this.child;
    if (stdin === null || stdout === null || stderr === null) throw new Error("The process has no pipes.");
    stderr.on("data", (chunk: Buffer) => {
      this.#stderr += chunk;
    });
    // A server that is gone is seen by `exited`.
    stdin.on("error", () => {});
    this.connection = createMessageConnection(
      new StreamMessageReader(stdout),
      new StreamMessageWriter(stdin),
    );
    this.connection.onNotification((method, params) => this.#note(method, params));
    this.connection.onRequest((method, params) => {
      this.#note(method, params);
      return this.#answers.get(method)?.(params as never) ?? null;
    });
    this.connection.listen();
  }

  stderr(): string {
    return this.#stderr;
  }

  /** Answers a request of the server, such as `window/showMessageRequest`; it is `null` otherwise. */
  answer<P>(method: string, answer: (params: P) => unknown): void {
    this.#answers.set(method, answer);
  }

  request<R>(method: string, params?: unknown, token?: CancellationToken): Promise<R> {
    const rest = [...(params === undefined ? [] : [params]), ...(token === undefined ? [] : [token])];
    return this.connection.sendRequest<R>(method, ...rest);
  }

  notify(method: string, params?: unknown): Promise<void> {
    return this.connection.sendNotification(method, params);
  }

  async initialize(options: InitializeOptions = {}): Promise<InitializeResult> {
    const result = await this.request<InitializeResult>("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities: {},
      workspaceFolders: null,
      ...options,
    });
    await this.notify("initialized", {});
    return result;
  }

  open(uri: string, languageId: string, text: string, version = 1): Promise<void> {
    return this.notify("textDocument/didOpen", { textDocument: { uri, languageId, version, text } });
  }

  change(uri: string, version: number, ...contentChanges: Change[]): Promise<void> {
    return this.notify("textDocument/didChange", { textDocument: { uri, version }, contentChanges });
  }

  close(uri: string): Promise<void> {
    return this.notify("textDocument/didClose", { textDocument: { uri } });
  }

  /** What was told or asked so far by this method, oldest first. */
  received<P>(method: string): P[] {
    return this.#received.filter((it) => it.method === method).map(({ params }) => params as P);
  }

  /** The first message of the method that fits, told already or yet to come. Rejects after 20 s. */
  async told<P>(method: string, fits: (params: P) => boolean = () => true): Promise<P> {
    const find = () => this.received<P>(method).find(fits);
    const found = find();
    if (found !== undefined) return found;
    return new Promise((done, fail) => {
      const look = () => {
        const it = find();
        if (it === undefined) return;
        stop();
        done(it);
      };
      const timer = setTimeout(() => {
        stop();
        const told = this.#received.map((it) => it.method).join(", ");
        fail(new Error(`No ${method} that fits within ${WAIT_MS} ms. Told: ${told}. Log: ${this.#stderr}`));
      }, WAIT_MS);
      const stop = () => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
    });
  }

  /** Forgets what was told, so that `told` waits for what is new. */
  forget(): void {
    this.#received.length = 0;
  }

  /** Bytes as they are, past vscode-jsonrpc. */
  write(bytes: string | Uint8Array): void {
    this.child.stdin?.write(bytes);
  }

  /** `shutdown` and `exit`, as an editor does when it is closed. */
  async shutDown(): Promise<Exit> {
    await this.request("shutdown");
    await this.notify("exit");
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.dispose();
    this.child.stdin?.destroy();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5000);
    await this.exited;
    clearTimeout(timer);
  }

  #note(method: string, params: unknown): void {
    this.#received.push({ method, params });
    for (const look of this.#waiting) look();
  }
}

/** A message as it stands on the wire. */
export function framed(body: unknown): Buffer {
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  return Buffer.concat([Buffer.from(`Content-Length: ${bytes.length}\r\n\r\n`), bytes]);
}

/** Rejects unless the promise rejects with a JSON-RPC error; resolves to it. */
export async function failure(
  promise: Promise<unknown>,
): Promise<{ readonly code: number; readonly message: string; readonly data?: unknown }> {
  const result = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in result) return result.error as { code: number; message: string };
  throw new Error(`It did not fail, but gave ${JSON.stringify(result.value)}.`);
}
