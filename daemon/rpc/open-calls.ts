/** Keeps track of the calls that are open, so that a daemon that drains can finish and then end them. */
import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import { statusOf } from "./calls.ts";

/** Services that a draining daemon still answers: they tell that it drains. */
const ALWAYS_ANSWERED = /^\/(pipekit\.experiment\.v1\.DaemonService|grpc\.health\.v1\.Health)\//;

interface OpenCall {
  /** Requests taken and not yet answered. */
  unanswered: number;
  readonly end: (failure: PipekitError) => void;
}

/** The open calls of a server. `interceptor` must be the server's. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();
  readonly #waiters = new Set<() => void>();
  #lastMs = performance.now();
  #closed = false;

  /** Number of open calls and streams. */
  get count(): number {
    return this.#calls.size;
  }

  /** When the last call began or ended, by performance.now(). */
  get lastMs(): number {
    return this.#lastMs;
  }

  readonly interceptor: ServerInterceptor = (method, call) => {
    if (this.#closed && !ALWAYS_ANSWERED.test(method.path)) {
      return new ServerInterceptingCall(call, {
        start: () => call.sendStatus(statusOf(shuttingDown())),
      });
    }
    // A stream of answers alone is never owed an end; an upload that is cut is repeated.
    const owed = method.requestStream === method.responseStream;
    const open: OpenCall = {
      unanswered: 0,
      end: (failure) => intercepted.sendStatus(statusOf(failure)),
    };
    const finish = () => {
      if (!this.#calls.delete(open)) return;
      this.#lastMs = performance.now();
      this.#changed();
    };
    const intercepted = new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          // Not earlier: a call that was cancelled before its start is never heard of again.
          onReceiveMetadata: (metadata, pass) => {
            this.#calls.add(open);
            this.#lastMs = performance.now();
            pass(metadata);
          },
          onReceiveMessage: (message, pass) => {
            if (owed) open.unanswered++;
            pass(message);
          },
          onCancel: finish,
        });
      },
      sendMessage: (message, pass) => {
        pass(message);
        // A single answer is only complete with its status.
        if (!method.responseStream || open.unanswered === 0) return;
        open.unanswered--;
        this.#changed();
      },
      sendStatus: (status, pass) => {
        pass(status);
        finish();
      },
    });
    return intercepted;
  };

  /** Refuses calls from now on; answers DAEMON_UNAVAILABLE. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when every request taken is answered, or after `timeoutMs`. Returns whether all were. */
  async settle(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (this.#owing()) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      await this.#change(left);
    }
    return true;
  }

  /** Ends what is open with DAEMON_UNAVAILABLE. */
  endAll(): void {
    for (const call of [...this.#calls]) call.end(shuttingDown());
  }

  #owing(): boolean {
    for (const call of this.#calls) if (call.unanswered > 0) return true;
    return false;
  }

  #change(timeoutMs: number): Promise<void> {
    return new Promise((done) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiters.delete(finish);
        done();
      };
      const timer = setTimeout(finish, timeoutMs);
      this.#waiters.add(finish);
    });
  }

  #changed(): void {
    for (const waiter of this.#waiters) waiter();
  }
}

function shuttingDown(): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", "The daemon is shutting down.", {
    mend: "Try again: a client starts the daemon anew.",
  });
}
