import { type Env, runtimeFolder } from "./folders.ts";
import { launchDaemon, type StartingDaemon } from "./launch.ts";

/** A daemon that ended is started again after this long, in case an older one was still going away. */
const RELAUNCH_MS = 500;

/** Starts the daemon, and again when it ended because an older one was still going away. */
export class Starter {
  readonly #state: string;
  readonly #env: Env;
  #latest: { readonly daemon: StartingDaemon; readonly at: number } | undefined;

  constructor(state: string, env: Env) {
    this.#state = state;
    this.#env = env;
  }

  /**
   * Whether an older daemon is to make place for the one that would be started. Whoever names a program in `$PKX_DAEMON` has
   * chosen its version.
   */
  get renews(): boolean {
    return this.#latest === undefined && !this.#env["PKX_DAEMON"];
  }

  /** Throws why the daemon cannot start, once that is known. */
  attempt(): void {
    const latest = this.#latest;
    if (latest !== undefined) {
      const fault = latest.daemon.fault();
      if (fault !== undefined) throw fault;
      if (!latest.daemon.gone() || performance.now() < latest.at + RELAUNCH_MS) return;
      latest.daemon.release();
    }
    this.#latest = undefined;
    const daemon = launchDaemon(this.#state, runtimeFolder(this.#env), this.#env);
    this.#latest = { daemon, at: performance.now() };
  }

  release(): void {
    this.#latest?.daemon.release();
  }
}
