/** What is told without being asked, and what is known by it: runs, and how the daemon is. */
import type { DaemonDocument, EditorNotification, EditorNotifications } from "@pipekit/proto/editor";
import type { Host } from "./host.ts";
import { KnownRuns } from "./known-runs.ts";
import { listRuns } from "./run-listing.ts";

const RESTARTED = "restarted";

export class News {
  readonly runs = new KnownRuns();
  daemon: DaemonDocument | undefined;
  /** Whether all runs were listed once. */
  listed = false;
  readonly #host: Host;
  readonly #told = new EventTarget();
  readonly #daemonTold: (daemon: DaemonDocument) => void;
  #listing = new AbortController();
  #begun = false;

  constructor(host: Host, daemonTold: (daemon: DaemonDocument) => void) {
    this.#host = host;
    this.#daemonTold = daemonTold;
  }

  /** Looks at everything anew: at the start, and when another session has begun. */
  begin(): void {
    this.#list();
    this.#host.request("pipekit/daemon", {}).then(
      (daemon) => this.take("pipekit/daemonStatus", daemon),
      () => {}, // The banner tells what is wrong with the connection.
    );
    if (this.#begun) this.#told.dispatchEvent(new Event(RESTARTED));
    this.#begun = true;
  }

  take<N extends EditorNotification>(method: N, params: EditorNotifications[N]): void {
    if (method === "pipekit/runStatus") this.#takeRuns(params as EditorNotifications["pipekit/runStatus"]);
    if (method === "pipekit/daemonStatus") this.#takeDaemon(params as DaemonDocument);
    this.#told.dispatchEvent(new CustomEvent(method, { detail: params }));
  }

  on<N extends EditorNotification>(
    method: N,
    told: (params: EditorNotifications[N]) => void,
    signal: AbortSignal,
  ): void {
    this.#told.addEventListener(method, (event) => told((event as CustomEvent).detail), { signal });
  }

  onRestart(restarted: () => void, signal: AbortSignal): void {
    this.#told.addEventListener(RESTARTED, restarted, { signal });
  }

  #takeRuns({ runs, all }: EditorNotifications["pipekit/runStatus"]): void {
    if (all) this.#list();
    this.runs.take(runs);
  }

  #takeDaemon(daemon: DaemonDocument): void {
    const back = daemon.state === "connected" && this.daemon?.state !== "connected";
    this.daemon = daemon;
    this.#daemonTold(daemon);
    if (back && !this.listed) this.#list();
  }

  /** Lists all runs anew. */
  #list(): void {
    this.#listing.abort();
    this.#listing = new AbortController();
    listRuns(this.#host, this.runs, this.#listing.signal).then(
      () => {
        this.listed = true;
        this.#told.dispatchEvent(new CustomEvent("pipekit/runStatus", { detail: { runs: [], all: false } }));
      },
      () => {}, // As above; it is listed again when the daemon is back.
    );
  }
}
