/** The page's way to `pkx ui`: requests as `POST /request`, what is told by server-sent events on `/events`. */
import type { EditorFailure, EditorMethod, EditorParams, EditorResults } from "@pipekit/proto/editor";
import { type Connection, type Host, type HostListeners, RequestFailure } from "../host.ts";

const OPEN: Connection = { state: "open", message: "", mend: "" };
const LOST: Connection = {
  state: "lost",
  message: "The connection to pkx ui is lost; it is tried again.",
  mend: "If you have stopped it, start `pkx ui` again and open the address that it prints.",
};
const RETRY_MS = 1000;
const REFUSED_RETRY_MS = 10_000;

export class HttpHost implements Host {
  readonly inEditor = false;
  #listeners: HostListeners | undefined;
  /** The session that requests belong to; waits while there is none. */
  #session = newSession();
  #sessions = 0;

  listen(listeners: HostListeners): void {
    this.#listeners = listeners;
    this.#connect();
  }

  async request<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    signal?: AbortSignal,
  ): Promise<EditorResults[M]> {
    const session = await abortable(this.#session.promise, signal);
    const response = await fetch("request", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ session, method, params }),
      ...(signal && { signal }),
    }).catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw unanswered(LOST.message, LOST.mend, cause);
    });
    const answer = await response.json().catch(() => undefined);
    signal?.throwIfAborted();
    if (answer?.error !== undefined) throw new RequestFailure(answer.error as EditorFailure);
    if (answer?.result !== undefined) return answer.result;
    throw unanswered(`pkx ui answered ${method} with status ${response.status}.`, "Try again.");
  }

  savedRoute(): string {
    return location.hash;
  }

  saveRoute(): void {
    // The address of the page is kept by the browser.
  }

  #connect(): void {
    const events = new EventSource("events");
    events.addEventListener("session", (event) => {
      const { session } = JSON.parse(event.data) as { session: string };
      const again = this.#sessions++ > 0;
      this.#session.resolve(session);
      this.#listeners?.connection(OPEN);
      if (again) this.#listeners?.restarted();
    });
    events.addEventListener("notification", (event) => {
      const { method, params } = JSON.parse(event.data);
      this.#listeners?.notified(method, params);
    });
    events.addEventListener("error", () => void this.#lost(events));
  }

  /** Whatever broke off, a new stream is opened by us: a browser gives up for good at an answer that is no stream. */
  async #lost(events: EventSource): Promise<void> {
    events.close();
    const before = this.#session;
    this.#session = newSession();
    const refusal = await refusalOfEvents();
    if (refusal === undefined) {
      // Who asked while there was no session asks on.
      this.#session.promise.then(before.resolve, before.reject);
      this.#listeners?.connection(LOST);
    } else {
      before.reject(new RequestFailure(refusal));
      this.#listeners?.connection({ ...refusal, state: "refused" });
    }
    setTimeout(() => this.#connect(), refusal === undefined ? RETRY_MS : REFUSED_RETRY_MS);
  }
}

/** Why there is no stream of events, which a browser does not tell; undefined when nobody answers, or it is there again. */
async function refusalOfEvents(): Promise<EditorFailure | undefined> {
  const looked = new AbortController();
  try {
    const response = await fetch("events", { signal: looked.signal });
    return response.ok ? undefined : ((await response.json()).error as EditorFailure);
  } catch {
    return undefined;
  } finally {
    looked.abort();
  }
}

/** A session to come; that it may fail is the matter of those who wait for it. */
function newSession(): PromiseWithResolvers<string> {
  const made = Promise.withResolvers<string>();
  made.promise.catch(() => {});
  return made;
}

function unanswered(message: string, mend: string, cause?: unknown): RequestFailure {
  const failure = new RequestFailure({ code: "DAEMON_UNAVAILABLE", message, field: "", mend });
  failure.cause = cause;
  return failure;
}

/** The value, or the signal's reason, whichever comes first. */
function abortable<T>(value: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return value;
  return new Promise((resolve, reject) => {
    const aborted = () => reject(signal.reason);
    if (signal.aborted) return aborted();
    signal.addEventListener("abort", aborted, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener("abort", aborted));
  });
}
