import { hostname } from "node:os";
import { RunState } from "@pipekit/proto";
import { ulid } from "ulid";
import type { Journal, MemberEntry } from "../journal/journal.ts";
import type { OrphanWatchOptions } from "./orphans.ts";
import { type LiveProcess, lives } from "./processes.ts";
import { processSince } from "./run-process.ts";

/** What is watched of the processes of groups. */
export interface MemberWatchOptions extends Pick<OrphanWatchOptions, "writers" | "graceMs" | "log"> {
  readonly journal: Pick<Journal, "append" | "members">;
}

interface Member {
  readonly runId: string;
  readonly writerId: string;
  readonly pid: number;
  /** The process as first seen; undefined when it was gone already. */
  readonly seen: LiveProcess | undefined;
  /** When it was found gone, by performance.now(); undefined while it lives. */
  goneMs: number | undefined;
}

/**
 * Ends the members of groups whose processes on this host are gone: each by itself, whether others of the group live or
 * not. Those on other hosts are their daemons' to end, whose journals tell of it.
 */
export class MemberWatch {
  readonly #options: MemberWatchOptions;
  readonly #members = new Map<string, Member>();

  constructor(options: MemberWatchOptions) {
    this.#options = options;
  }

  /** Runs with a member whose process lives. */
  livingRuns(): ReadonlySet<string> {
    return new Set([...this.#members.values()].filter(isAlive).map(({ runId }) => runId));
  }

  /** Takes up the members of a run that are not watched yet. */
  async add(runId: string): Promise<void> {
    for (const { writerId, state, start } of await this.#options.journal.members(runId)) {
      if (state !== "running" || start.pid <= 0 || start.host !== hostname() || this.#members.has(writerId))
        continue;
      const seen = processSince(start.pid, start.startedAtUs);
      this.#members.set(writerId, { runId, writerId, pid: start.pid, seen, goneMs: undefined });
    }
  }

  /** Looks at each once; resolves when what was found is journaled. */
  async look(): Promise<void> {
    const gone = [...this.#members.values()].filter((member) => !isAlive(member));
    const now = performance.now();
    for (const member of gone) member.goneMs ??= now;
    const due = gone.filter(({ goneMs = now }) => now - goneMs >= this.#options.graceMs);
    if (due.length === 0) return;
    // What they left comes first.
    await this.#options.writers.lookAnew();
    for (const [runId, members] of Map.groupBy(due, ({ runId }) => runId))
      await this.#lookAtRun(runId, members);
  }

  clear(): void {
    this.#members.clear();
  }

  async #lookAtRun(runId: string, gone: readonly Member[]): Promise<void> {
    const { writers, journal } = this.#options;
    const open = new Set((await journal.members(runId)).filter(isOpen).map(({ writerId }) => writerId));
    for (const member of gone) {
      const { writerId } = member;
      if (open.has(writerId)) {
        if (writers.holdsWriter(writerId)) continue;
        // The last end would end the run, which a forked child may write still.
        if (open.size === 1 && writers.holds(runId)) continue;
        await this.#end(member);
        open.delete(writerId);
      }
      this.#members.delete(writerId);
    }
  }

  async #end({ runId, writerId, pid }: Member): Promise<void> {
    const state = RunState.RUN_STATE_FAILED;
    const end = { state, reason: "killed", endedAtUs: Date.now() * 1000, member: writerId } as const;
    const records = [{ record: { $case: "end" as const, value: end } }];
    await this.#options.journal.append({ writerId: ulid(), seq: 1, runId, records }, []);
    this.#options.log.info({ runId, writerId, pid }, "ended a member of a group whose process is gone");
  }
}

function isAlive({ seen }: Member): boolean {
  return seen !== undefined && lives(seen);
}

function isOpen({ state }: MemberEntry): boolean {
  return state === "running";
}
