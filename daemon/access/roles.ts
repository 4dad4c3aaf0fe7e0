/** What each role may do, and on which names. */
import { type Pattern, patternOf } from "./pattern.ts";

export const ROLES = ["reader", "writer", "promoter", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** Something that a role may permit. */
export type Deed =
  /** Ask who the daemon is and how it does. */
  | "greet"
  /** See a run: its name, config, points and sinks. */
  | "read runs"
  /** Start a run, log to it, end it, add sinks to it. */
  | "write runs"
  /** See and load the models of a registry, and where a tag leads. */
  | "read models"
  | "store models"
  /** Point a tag to a model where there is no such tag. */
  | "create tags"
  /** Move, roll back and delete tags. */
  | "move tags"
  | "pin models"
  /** All else: see everything, collect, prune, copy, redrive, audit, stop. */
  | "administer";

const READS: readonly Deed[] = ["greet", "read runs", "read models"];

/** The table of docs/remote.md. An admin may do everything. */
export const DEEDS: Readonly<Record<Exclude<Role, "admin">, ReadonlySet<Deed>>> = {
  reader: new Set(READS),
  writer: new Set<Deed>([...READS, "write runs", "store models", "create tags"]),
  promoter: new Set<Deed>([...READS, "create tags", "move tags", "pin models"]),
};

/** The kinds of names, and how a pattern of each is read. */
const PATTERNS = {
  runs: (text: string) => patternOf(text),
  tags: (text: string) => patternOf(text),
  registries: (text: string) => patternOf(text, "?"),
} as const;

/** A role as the principals file states it. */
export interface RoleText {
  readonly role: Role;
  /** Patterns of names of runs; none when absent. */
  readonly runs?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  /** Patterns of canonical specs; `default` is the daemon's own registry. */
  readonly registries?: readonly string[] | undefined;
  /** Whether a writer may write to runs that another principal has started. */
  readonly runs_of_others?: boolean | undefined;
}

/** A role of a principal. */
export interface Grant {
  readonly role: Role;
  readonly runs: readonly Pattern[];
  readonly tags: readonly Pattern[];
  readonly registries: readonly Pattern[];
  readonly runsOfOthers: boolean;
}

/** A run as far as it matters who may do what. */
export interface KnownRun {
  readonly name: string;
  /** The principal that started it; empty for one that was started on the host. */
  readonly owner: string;
}

/** A deed and what it is done to. A name that is absent is not asked for. */
export interface Need {
  readonly deed: Deed;
  readonly run?: KnownRun;
  readonly tag?: string;
  readonly registry?: string;
}

export function grantOf(text: RoleText): Grant {
  const { role, runs = [], tags = [], registries = [], runs_of_others = false } = text;
  return {
    role,
    runs: runs.map(PATTERNS.runs),
    tags: tags.map(PATTERNS.tags),
    registries: registries.map(PATTERNS.registries),
    runsOfOthers: runs_of_others,
  };
}

/** Whether one of the grants permits it all by itself: a name of one role and a deed of another make no permission. */
export function permits(grants: readonly Grant[], principal: string, need: Need): boolean {
  return grants.some((grant) => grantPermits(grant, principal, need));
}

function grantPermits(grant: Grant, principal: string, need: Need): boolean {
  if (grant.role === "admin") return true;
  if (!DEEDS[grant.role].has(need.deed)) return false;
  const { run, tag, registry } = need;
  if (run !== undefined) {
    const isForeign = need.deed === "write runs" && run.owner !== principal && !grant.runsOfOthers;
    if (isForeign || !anyMatches(grant.runs, run.name)) return false;
  }
  if (tag !== undefined && !anyMatches(grant.tags, tag)) return false;
  return registry === undefined || anyMatches(grant.registries, registry);
}

function anyMatches(patterns: readonly Pattern[], name: string): boolean {
  return patterns.some((pattern) => pattern.matches(name));
}
