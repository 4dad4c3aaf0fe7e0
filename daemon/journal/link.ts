import { Worker } from "node:worker_threads";
import { PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import type { Fault } from "./faults.ts";
import type { CommittedGroup, LostFrames } from "./journal.ts";
import type { CallTable, CloseCall, WorkerReport, WorkerSetup } from "./messages.ts";

/** The worker beside the sources, or the file that the bundler puts beside the bundle. */
const WORKER_URL = import.meta.url.endsWith(".ts")
  ? new URL("./worker.ts", import.meta.url)
  : new URL("./journal-worker.mjs", import.meta.url);

/** Bodies of frames and pages of SQLite lie outside this heap; a small one keeps the idle daemon small. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: PipekitError) => void;
}

interface Session {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

export interface LinkOptions {
  readonly setup: WorkerSetup;
  readonly log: Logger;
  /** Called with the runs that a commit changed, and those that it resumed, before its calls are answered. */
  readonly onTouched?: (runIds: readonly string[], resumed: readonly string[]) => void;
  readonly onGroup?: (group: CommittedGroup) => void;
  readonly onGap?: ((gap: LostFrames) => void) | undefined;
  /** The worker is stopped after this long without a call, milliseconds; the next call starts another. */
  readonly idleMs?: number;
}

/** Calls into a worker. It is started by the first call, and again after it broke or was idle. */
export class WorkerLink<C extends CallTable & CloseCall> {
  readonly #options: LinkOptions;
  #session: Session | undefined;
  #lastId = 0;
  #idle: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** Throws PipekitError: what the worker refused, or DAEMON_UNAVAILABLE when it broke or is closed. */
  call<K extends keyof C & string>(
    kind: K,
    args: C[K]["args"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<C[K]["answer"]> {
    if (this.#closed) return Promise.reject(unavailable("The journal is closed"));
    this.#session ??= this.#start();
    return this.#post(this.#session, kind, args, transfer);
  }

  /** Lets the worker finish what it was asked, then stops it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#idle);
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    const exited = new Promise((resolve) => session.worker.once("exit", resolve));
    await this.#post(session, "close", null, []).catch((error: unknown) => {
      this.#options.log.warn(
        { err: error, role: this.#options.setup.role },
        "a journal thread did not close well",
      );
    });
    await exited;
  }

  #post<K extends keyof C & string>(
    session: Session,
    kind: K,
    args: C[K]["args"],
    transfer: readonly ArrayBuffer[],
  ): Promise<C[K]["answer"]> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      session.waiting.set(id, { resolve, reject });
      session.worker.postMessage({ id, kind, args }, [...transfer]);
      clearTimeout(this.#idle);
    });
  }

  #start(): Session {
    const { setup, log } = this.#options;
    const worker = new Worker(WORKER_URL, {
      name: `journal ${setup.role}`,
      workerData: setup,
      resourceLimits: RESOURCE_LIMITS,
    });
    const session: Session = { worker, waiting: new Map() };
    worker.on("message", (report: WorkerReport) => this.#take(session, report));
    worker.on("error", (error) => log.error({ err: error, role: setup.role }, "a journal thread broke"));
    worker.on("exit", () => {
      if (this.#session === session) this.#session = undefined;
      for (const { reject } of session.waiting.values()) reject(unavailable("A thread of the journal broke"));
      session.waiting.clear();
    });
    return session;
  }

  #take(session: Session, report: WorkerReport): void {
    if (report.touched.length > 0) this.#options.onTouched?.(report.touched, report.resumed ?? []);
    if (report.group !== undefined) this.#options.onGroup?.(report.group);
    for (const gap of report.gaps ?? []) this.#options.onGap?.(gap);
    if (report.trouble !== undefined) this.#options.log.warn(report.trouble, "the journal could not tidy up");
    for (const answer of report.answers) {
      const waiting = session.waiting.get(answer.id);
      session.waiting.delete(answer.id);
      if ("fault" in answer) waiting?.reject(failure(answer.fault));
      else waiting?.resolve(answer.value);
    }
    const { idleMs } = this.#options;
    if (idleMs === undefined || session.waiting.size > 0 || session !== this.#session) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#stop(), idleMs).unref();
  }
}

function failure({ code, message, ...options }: Fault): PipekitError {
  return new PipekitError(code, message, options);
}

function unavailable(what: string): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", `${what}; nothing acknowledged is lost.`, {
    mend: "Try again; see the daemon's log (`pkx logs`) when it lasts.",
  });
}
