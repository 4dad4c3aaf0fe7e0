/** Whether a principal may do what a request asks for, and what it sees of an answer. */
import { type Frame, PipekitError, type Record } from "@pipekit/proto";
import { ruleOf } from "./permissions.ts";
import { DEEDS, type Deed, type Grant, type KnownRun, type Need, permits, ROLES } from "./roles.ts";
import type { Ask, Rule, Sight } from "./rules.ts";

/** Where names are looked up. */
export interface Names {
  /** A run by id or unique prefix. Throws RUN_NOT_FOUND, REF_AMBIGUOUS. */
  run(idOrPrefix: string): Promise<KnownRun & { readonly runId: string }>;
  /** The one spec of all that name a registry; `default` for the daemon's own. Throws INVALID_REGISTRY_SPEC. */
  registry(spec: string): string;
}

/** Label of a run with the principal that started it over TCP. Only the daemon writes it. */
export const OWNER_TAG = "pipekit.principal";

/** Field of a frame that names its run. */
const FRAME = "frame.run_id";
/** Runs whose names are remembered: a run keeps its name. */
const RUNS_KNOWN = 10_000;

/** What the principals have been granted, as of now. */
export type Grants = (principal: string) => readonly Grant[];

export class Permission {
  readonly #grants: Grants;
  readonly #names: Names;
  readonly #runs = new Map<string, KnownRun>();

  constructor(grants: Grants, names: Names) {
    this.#grants = grants;
    this.#names = names;
  }

  /** Throws PERMISSION_DENIED when no role of the principal has to do with the method, whatever it is asked for. */
  checkMethod(principal: string, path: string): void {
    const { least } = ruleOf(path);
    if (this.#permits(principal, { deed: least })) return;
    throw denied(principal, { deed: least, field: "" });
  }

  /** The request to work on. Throws PERMISSION_DENIED, RUN_NOT_FOUND, and what looking up its names throws. */
  async check(principal: string, path: string, request: unknown): Promise<unknown> {
    for (const ask of ruleOf(path).asks(request)) await this.#checkAsk(principal, ask);
    const { frame } = request as { readonly frame?: Frame };
    if (!path.endsWith("/StartRun") || frame === undefined) return request;
    return { frame: await this.frame(principal, frame) };
  }

  /** What the principal sees of an answer to a request; undefined for nothing. */
  async shown(principal: string, rule: Required<Rule>, request: unknown, answer: unknown): Promise<unknown> {
    return rule.shown(answer, this.#sight(principal, request));
  }

  /**
   * A frame as it may be journaled: runs that it starts are the principal's. Throws RUN_NOT_FOUND for a run that it may not
   * see, PERMISSION_DENIED for one that it may not write to. Of a run that nobody knows the journal has the word.
   */
  async frame(principal: string, frame: Frame): Promise<Frame> {
    const known = await this.#runOrNone(frame.runId);
    const start = frame.records.find(({ record }) => record?.$case === "start")?.record;
    if (known !== undefined)
      this.#checkRun(principal, known, { deed: "write runs", field: FRAME, run: frame.runId });
    else if (start?.$case === "start") {
      const run = { name: start.value.name, owner: principal };
      if (!this.#permits(principal, { deed: "write runs", run })) {
        throw denied(principal, { deed: "write runs", field: "name" }, `named \`${start.value.name}\``);
      }
    }
    return { ...frame, records: frame.records.map((record) => owned(record, principal)) };
  }

  async #checkAsk(principal: string, ask: Ask): Promise<void> {
    if (ask.run !== undefined) {
      if (this.#isAdmin(principal)) return;
      this.#checkRun(principal, await this.#run(ask.run), ask);
      return;
    }
    const { deed, tag } = ask;
    const registry = ask.registry === undefined ? undefined : this.#names.registry(ask.registry);
    const need = { deed, ...(tag !== undefined && { tag }), ...(registry !== undefined && { registry }) };
    if (!this.#permits(principal, need)) throw denied(principal, ask, placeOf(need));
  }

  #checkRun(principal: string, run: KnownRun, ask: Ask): void {
    if (this.#permits(principal, { deed: ask.deed, run })) return;
    // Who may not see a run is not told that there is one.
    if (!this.#permits(principal, { deed: "read runs", run }))
      throw noSuchRun(ask.run ?? "", ask.field === FRAME);
    const why = run.owner === principal ? "" : ", which another has started";
    throw denied(principal, ask, `named \`${run.name}\`${why}`);
  }

  #permits(principal: string, need: Need): boolean {
    return permits(this.#grants(principal), principal, need);
  }

  #isAdmin(principal: string): boolean {
    return this.#permits(principal, { deed: "administer" });
  }

  #sight(principal: string, request: unknown): Sight {
    const { registry: spec } = request as { readonly registry?: string };
    return {
      run: async (id, name) => {
        const run = name === undefined ? await this.#runOrNone(id) : { name, owner: "" };
        return run !== undefined && this.#permits(principal, { deed: "read runs", run });
      },
      tag: (tag) => {
        const registry = this.#names.registry(spec ?? "");
        return this.#permits(principal, { deed: "read models", registry, tag });
      },
    };
  }

  async #run(idOrPrefix: string): Promise<KnownRun> {
    const known = this.#runs.get(idOrPrefix);
    if (known !== undefined) return known;
    const { runId, name, owner } = await this.#names.run(idOrPrefix);
    if (this.#runs.size >= RUNS_KNOWN) this.#runs.clear();
    this.#runs.set(runId, { name, owner });
    return { name, owner };
  }

  async #runOrNone(id: string): Promise<KnownRun | undefined> {
    try {
      return await this.#run(id);
    } catch (error) {
      if (error instanceof PipekitError && error.code === "RUN_NOT_FOUND") return undefined;
      throw error;
    }
  }
}

/** A record in which only the daemon says whose the run is. */
function owned(entry: Record, principal: string): Record {
  const { record } = entry;
  if (record?.$case === "start") {
    const tags = { ...record.value.tags, [OWNER_TAG]: principal };
    return { record: { $case: "start", value: { ...record.value, tags } } };
  }
  if (record?.$case !== "tags" || !(OWNER_TAG in record.value.tags)) return entry;
  const { [OWNER_TAG]: _, ...tags } = record.value.tags;
  return { record: { $case: "tags", value: { tags } } };
}

function placeOf({ tag, registry }: Need): string {
  const where = registry === undefined ? "" : `in the registry ${registry}`;
  return tag === undefined ? where : `with the tag \`${tag}\` ${where}`;
}

/** A run that the caller may not see, in the words of the journal for one that is not there. */
function noSuchRun(run: string, framed: boolean): PipekitError {
  const mend = framed
    ? "Start the run first: its first frame begins with a start record."
    : "Give a run id or at least its first 8 characters; `pkx runs list` shows them.";
  return new PipekitError("RUN_NOT_FOUND", `No run has the id ${run}.`, { field: "run_id", mend });
}

function denied(principal: string, ask: Ask, what = ""): PipekitError {
  const message = `The principal \`${principal}\` may not ${ask.deed}${what === "" ? "" : ` ${what}`}.`;
  const roles = rolesFor(ask.deed).join(" or ");
  const names = what === "" ? "" : " for this name";
  const mend = `Ask whoever runs the daemon for the role ${roles}${names}; \`pkx whoami\` shows your roles.`;
  return new PipekitError("PERMISSION_DENIED", message, { field: ask.field || "method", mend });
}

function rolesFor(deed: Deed): string[] {
  return ROLES.filter((role) => role === "admin" || DEEDS[role].has(deed));
}
