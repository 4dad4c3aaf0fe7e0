/**
 * Holds callers over TCP to their quotas. A Log stream is slowed by reading on later: HTTP/2 then holds its client back,
 * which keeps what it has, and no point is lost. Other calls are refused with QUOTA_EXCEEDED and the time to wait, in the
 * sentence for people and as `grpc-retry-pushback-ms` for programs (gRPC, A6-client-retries).
 */
import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { type Frame, PipekitError } from "@pipekit/proto";
import { principalOf } from "../access/principal.ts";
import { DAEMON_QUOTA, type Excess, type Quota, Use } from "../limits/index.ts";
import { isAudited } from "./audited.ts";
import { statusOf } from "./calls.ts";

/** Quota of a principal, as it is known at the time. */
export type QuotaOf = (principal: string) => Quota;

const LOG = "/pipekit.experiment.v1.TrackerService/Log";
const START = "/pipekit.experiment.v1.TrackerService/StartRun";
const STORE = /\/pipekit\.experiment\.v1\.RegistryService\/Store/;
/** A run that need wait no longer than this is started later instead of refused, milliseconds. */
const PATIENCE_MS = 3000;

const now = () => performance.now();

/** Counts the calls of each principal, and of all. Must follow the guards. */
export class Quotas {
  readonly #quotaOf: QuotaOf;
  readonly #all: Use;
  readonly #uses = new Map<string, Use>();

  constructor(quotaOf: QuotaOf, all: Quota = DAEMON_QUOTA) {
    this.#quotaOf = quotaOf;
    this.#all = new Use(all, now);
  }

  readonly interceptor: ServerInterceptor = (method, call) => {
    let held: readonly Use[] = [];
    let timer: NodeJS.Timeout | undefined;
    const release = () => {
      clearTimeout(timer);
      for (const use of held) use.end();
      held = [];
    };
    const later = (waitMs: number, go: () => void) => {
      if (waitMs === 0) go();
      else timer = setTimeout(go, waitMs);
    };
    const refuse = ({ limit, waitMs }: Excess, principal: string) =>
      call.sendStatus(refusal(limit, waitMs, principal));
    let name = "";
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            name = principalOf(metadata);
            const uses = [this.#useOf(name), this.#all];
            const excess = begin(uses, isAudited(method.path));
            if (excess !== undefined) return refuse(excess, name);
            held = uses;
            later(Math.max(...uses.map((use) => use.turnMs())), () => pass(metadata));
          },
          onReceiveMessage: (message: object, pass) => {
            const verdict = weigh(method.path, message, held);
            if (typeof verdict === "number") later(verdict, () => pass(message));
            else refuse(verdict, name);
          },
          onCancel: release,
        });
      },
      sendStatus: (status, pass) => {
        pass(status);
        release();
      },
    });
  };

  #useOf(name: string): Use {
    const quota = this.#quotaOf(name);
    const known = this.#uses.get(name);
    // A quota that was read anew begins anew, once no call of the old one is open.
    if (known !== undefined && (known.calls > 0 || sameQuota(known.quota, quota))) return known;
    const use = new Use(quota, now);
    this.#uses.set(name, use);
    return use;
  }
}

function begin(uses: readonly Use[], changes: boolean): Excess | undefined {
  const begun: Use[] = [];
  for (const use of uses) {
    const excess = use.begin(changes);
    if (excess === undefined) {
      begun.push(use);
      continue;
    }
    for (const earlier of begun) earlier.end();
    return excess;
  }
  return undefined;
}

/** How long a message waits before it is passed on, milliseconds, or why it is refused. */
function weigh(path: string, message: object, uses: readonly Use[]): number | Excess {
  if (path === LOG || path === START) {
    const { frame } = message as { readonly frame?: Frame };
    const waitMs = path === START ? Math.max(0, ...uses.map((use) => use.runWaitMs())) : 0;
    if (waitMs > PATIENCE_MS) return { limit: "runs_per_minute", waitMs };
    const bytes = sizeOf(message);
    return Math.max(0, ...uses.map((use) => use.owe(startsOf(frame), pointsOf(frame), bytes)));
  }
  if (!STORE.test(path)) return 0;
  const bytes = sizeOf(message);
  for (const use of uses) {
    const excess = use.store(bytes, Date.now());
    if (excess !== undefined) return excess;
  }
  return 0;
}

function startsOf(frame: Frame | undefined): number {
  return frame?.records[0]?.record?.$case === "start" ? 1 : 0;
}

function pointsOf(frame: Frame | undefined): number {
  let points = 0;
  for (const { record } of frame?.records ?? []) {
    if (record?.$case === "metrics") points += record.value.values.length / Float64Array.BYTES_PER_ELEMENT;
  }
  return points;
}

/** About the bytes of a message: those of its texts and byte fields. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "object" || value === null) return 0;
  let size = 0;
  for (const field of Object.values(value)) size += sizeOf(field);
  return size;
}

function sameQuota(a: Quota, b: Quota): boolean {
  return Object.keys(a).every((name) => a[name as keyof Quota] === b[name as keyof Quota]);
}

/** The answer to a call that is over a limit. */
export function refusal(limit: keyof Quota, waitMs: number, principal: string) {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000));
  const status = statusOf(
    new PipekitError("QUOTA_EXCEEDED", `${principal || "The caller"} is over the limit ${limit}.`, {
      field: limit,
      mend: `Try again in ${seconds} s, or have \`quota\` raised in the daemon's principals file.`,
    }),
  );
  status.metadata.set("grpc-retry-pushback-ms", String(Math.max(1, Math.ceil(waitMs))));
  return status;
}
