/** Access in the way of calls: who calls, what the call may ask for, and what it is answered. */
import { userInfo } from "node:os";
import {
  type Responder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import type { Logger } from "pino";
import {
  type Access,
  type Permission,
  type Proof,
  type Rule,
  ruleOf,
  setPrincipal,
} from "../access/index.ts";
import { statusOf, toPipekitError } from "./calls.ts";
import { afterExpiry, proofOf, unproven } from "./proof.ts";

/** Names the user in each call on the unix socket, which is closed to others. */
export function socketInterceptor(): ServerInterceptor {
  const principal = { name: `socket:${userName()}`, over: "socket" } as const;
  return (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            setPrincipal(metadata, principal);
            pass(metadata);
          },
        });
      },
    });
}

/** A user without a name, as in a container, has a number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

/** An open stream of a principal. */
interface OpenStream {
  readonly principal: string;
  readonly proof: Proof;
  /** Of what the principal may do when it began. */
  readonly grants: unknown;
  /** Whether each of its messages is looked at anew. */
  readonly isLog: boolean;
  readonly end: (failure: PipekitError) => void;
}

/** The guard of the TCP server. `interceptor` must come before all that works for a call. */
export class AccessGuard {
  readonly #access: Access;
  readonly #permission: Permission;
  readonly #log: Logger;
  readonly #streams = new Set<OpenStream>();

  constructor(access: Access, permission: Permission, log: Logger) {
    this.#access = access;
    this.#permission = permission;
    this.#log = log;
    access.onChange((change) => change === "principals" && this.#review());
  }

  readonly interceptor: ServerInterceptor = (method, call) => {
    const rule = ruleOf(method.path);
    let principal = "";
    let stream: OpenStream | undefined;
    let first: unknown;
    let over = false;
    const refuse = (failure: PipekitError): void => {
      if (over) return;
      over = true;
      guarded.sendStatus(statusOf(failure));
    };
    let expiry: NodeJS.Timeout | undefined;
    const forget = () => {
      clearTimeout(expiry);
      if (stream !== undefined) this.#streams.delete(stream);
    };
    const guarded = new GuardedCall(call, this.#log, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            try {
              const { proof, untilMs } = proofOf(metadata, call.getAuthContext().sslPeerCertificate);
              const found = this.#access.find(proof);
              if (typeof found === "string") throw unproven(found);
              principal = found.name;
              setPrincipal(metadata, { name: principal, over: "tcp" });
              this.#permission.checkMethod(principal, method.path);
              if (method.requestStream || method.responseStream) {
                const isLog = method.path.endsWith("/TrackerService/Log");
                stream = { principal, proof, grants: found.grants, isLog, end: refuse };
                this.#streams.add(stream);
                const { end } = stream;
                expiry = afterExpiry(untilMs, () =>
                  this.#reviewOne(principal, { ...proof, identities: [] }, end),
                );
              }
            } catch (error) {
              refuse(toPipekitError(error, this.#log));
              return;
            }
            pass(metadata);
          },
          onReceiveMessage: (message, pass) => {
            if (over) return;
            first ??= message;
            this.#permission.check(principal, method.path, message).then(
              (allowed) => over || pass(allowed),
              (error: unknown) => refuse(toPipekitError(error, this.#log)),
            );
          },
          onReceiveHalfClose: (pass) => over || pass(),
          onCancel: forget,
        });
      },
      sendStatus: (status, pass) => {
        forget();
        pass(status);
      },
    });
    const { shown } = rule;
    if (shown !== undefined) {
      const full: Required<Rule> = { ...rule, shown };
      guarded.shown = (answer) => this.#permission.shown(principal, full, first, answer);
    }
    return guarded;
  };

  /** Ends the streams of principals that are gone, whose proof counts no more, or whose roles are others now. */
  #review(): void {
    for (const { principal, proof, grants, isLog, end } of this.#streams) {
      this.#reviewOne(principal, proof, end);
      if (!isLog && !isSame(this.#access.grantsOf(principal), grants)) end(rolesChanged());
    }
  }

  #reviewOne(principal: string, proof: Proof, end: OpenStream["end"]): void {
    const found = this.#access.find(proof);
    if (typeof found === "string") end(unproven(found));
    else if (found.name !== principal) end(unproven("nothing"));
  }
}

/** A call whose answers may be changed, or left out. */
class GuardedCall extends ServerInterceptingCall {
  shown: ((answer: unknown) => Promise<unknown>) | undefined;
  readonly #log: Logger;

  constructor(call: ServerInterceptingCallInterface, log: Logger, responder: Responder) {
    super(call, responder);
    this.#log = log;
  }

  override sendMessage(message: unknown, callback: () => void): void {
    if (this.shown === undefined) {
      super.sendMessage(message, callback);
      return;
    }
    this.shown(message).then(
      (answer) => (answer === undefined ? callback() : super.sendMessage(answer, callback)),
      (error: unknown) => this.sendStatus(statusOf(toPipekitError(error, this.#log))),
    );
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function rolesChanged(): PipekitError {
  return new PipekitError("DAEMON_UNAVAILABLE", "The roles of the principal were changed.", {
    mend: "Try again.",
  });
}
