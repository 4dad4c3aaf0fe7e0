/**
 * The page's way to the extension around VS Code's webview, by messages: the page sends `{id, method, params}`, and
 * `{cancel: id}` for what it no longer waits for; it is sent `{id, result}` or `{id, error}`, `{notification, params}`,
 * `{navigate: "#/run/ID"}`, and `{restarted: true}` when the language server was started anew.
 */
import type {
  EditorFailure,
  EditorMethod,
  EditorNotification,
  EditorNotifications,
  EditorParams,
  EditorResults,
} from "@pipekit/proto/editor";
import { type Host, type HostListeners, RequestFailure } from "../host.ts";

/** What VS Code gives to a webview, once. https://code.visualstudio.com/api/extension-guides/webview */
interface WebviewApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare global {
  var acquireVsCodeApi: (() => WebviewApi) | undefined;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(reason: unknown): void;
}

interface HostMessage {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: EditorFailure;
  readonly notification?: EditorNotification;
  readonly params?: never;
  readonly navigate?: string;
  readonly restarted?: boolean;
}

export class WebviewHost implements Host {
  readonly inEditor = true;
  readonly #api: WebviewApi;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(acquire: () => WebviewApi) {
    this.#api = acquire();
  }

  listen(listeners: HostListeners): void {
    window.addEventListener("message", ({ data }) => {
      if (typeof data === "object" && data !== null) this.#take(data as HostMessage, listeners);
    });
    listeners.connection({ state: "open", message: "", mend: "" });
  }

  request<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    signal?: AbortSignal,
  ): Promise<EditorResults[M]> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const id = ++this.#lastId;
      const aborted = () => {
        this.#waiting.delete(id);
        this.#api.postMessage({ cancel: id });
        reject(signal?.reason);
      };
      const done = () => signal?.removeEventListener("abort", aborted);
      signal?.addEventListener("abort", aborted, { once: true });
      this.#waiting.set(id, {
        resolve: (result) => {
          done();
          resolve(result as EditorResults[M]);
        },
        reject: (reason) => {
          done();
          reject(reason);
        },
      });
      this.#api.postMessage({ id, method, params });
    });
  }

  savedRoute(): string {
    const state = this.#api.getState();
    const saved = typeof state === "object" && state !== null && "route" in state ? state.route : "";
    return typeof saved === "string" ? saved : "";
  }

  saveRoute(hash: string): void {
    this.#api.setState({ route: hash });
  }

  #take(message: HostMessage, listeners: HostListeners): void {
    if (message.id !== undefined) {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error !== undefined) waiting?.reject(new RequestFailure(message.error));
      else waiting?.resolve(message.result);
    } else if (message.notification !== undefined) {
      listeners.notified(message.notification, message.params as unknown as EditorNotifications[never]);
    } else if (message.navigate !== undefined) {
      listeners.navigate(message.navigate);
    } else if (message.restarted === true) {
      listeners.restarted();
    }
  }
}
