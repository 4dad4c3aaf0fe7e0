/** From a reference to a hash. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { isHash, nearestName, PipekitError, parseRef, refText, type TagMove } from "@pipekit/proto";
import { listAll } from "./list-all.ts";
import { FILES, modelKey } from "./model.ts";
import { type LoggedMove, publicMove } from "./tag-file.ts";
import type { Tags } from "./tags.ts";

export interface Resolved {
  readonly hash: string;
  /** The move that made a tag point there; undefined when the reference is a hash. */
  readonly move: TagMove | undefined;
}

const MAX_CANDIDATES = 5;

export class Resolving {
  readonly #backend: RegistryBackend;
  readonly #tags: Tags;

  constructor(backend: RegistryBackend, tags: Tags) {
    this.#backend = backend;
    this.#tags = tags;
  }

  /** Throws REF_INVALID, REF_NOT_FOUND, REF_AMBIGUOUS. A name is resolved by one read of its tag. */
  async resolve(text: string, signal: AbortSignal): Promise<Resolved> {
    const found = await this.lookUp(text, signal);
    if (parseRef(text).kind === "hash" && !(await this.exists(found.hash, signal)))
      throw noSuchHash(found.hash);
    return found;
  }

  /** The same, but a full hash is not looked for. */
  async lookUp(text: string, signal: AbortSignal): Promise<Resolved> {
    const ref = parseRef(text);
    if (ref.kind === "prefix") return { hash: await this.#unique(ref.prefix, signal), move: undefined };
    if (ref.kind === "hash") return { hash: ref.hash, move: undefined };
    const last = await this.tag(ref.name, signal);
    if (ref.kind === "tag") return resolved(last, text);
    const seq = ref.kind === "move" ? ref.seq : last.seq - ref.steps;
    const move = await this.#tags.moveAt(last, seq, signal);
    if (move === undefined) {
      throw notFound(refText(ref), `The tag has moved ${last.seq} times, which does not reach`, "");
    }
    return resolved(move, text);
  }

  /** The last move of a tag, also one that deleted it. Throws REF_NOT_FOUND that suggests a name. */
  async tag(name: string, signal: AbortSignal): Promise<LoggedMove> {
    const last = await this.#tags.current(name, signal);
    if (last !== undefined) return last;
    const near = nearestName(name, [...(await this.#tags.all(signal)).keys()]);
    throw notFound(name, "No tag has the name", near === undefined ? "" : `Did you mean \`${near}\`? `);
  }

  /** Whether there is a model of this hash. */
  async exists(hash: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#backend.info(modelKey(hash, FILES.metadata), signal)) !== undefined;
  }

  async #unique(prefix: string, signal: AbortSignal): Promise<string> {
    const found: string[] = [];
    for await (const hash of this.hashes(prefix, "", signal)) {
      if (await this.exists(hash, signal)) found.push(hash);
      if (found.length > MAX_CANDIDATES) break;
    }
    const [only] = found;
    if (only === undefined) throw notFound(prefix, "No model's hash begins with", "");
    if (found.length === 1) return only;
    const shown = found.slice(0, MAX_CANDIDATES).join(", ");
    const more = found.length > MAX_CANDIDATES ? " and more" : "";
    throw new PipekitError("REF_AMBIGUOUS", `The prefix ${prefix} fits several models: ${shown}${more}.`, {
      field: "ref",
      mend: "Give more digits.",
    });
  }

  /** Hashes after `after` whose folder exists and begins with `prefix`, byte order; stored models and half-stored ones. */
  async *hashes(prefix: string, after: string, signal: AbortSignal): AsyncGenerator<string> {
    const options = { after: after === "" ? undefined : `${after}/`, folders: true, page: 500 };
    for await (const folder of listAll(this.#backend, prefix, options, signal)) {
      const hash = folder.slice(0, -1);
      if (isHash(hash)) yield hash;
    }
  }
}

/** Throws REF_NOT_FOUND when the move deleted the tag. */
function resolved(move: LoggedMove, ref: string): Resolved {
  if (move.hash === "") throw deleted(move, ref);
  return { hash: move.hash, move: publicMove(move) };
}

/** Of a reference that leads to a move which deleted its tag. */
export function deleted(move: LoggedMove, ref: string): PipekitError {
  const { name, seq, atUs, actor, reason } = move;
  const by = actor === "" ? "" : ` by ${actor}`;
  const why = reason === "" ? "" : ` (${reason})`;
  return new PipekitError(
    "REF_NOT_FOUND",
    `\`${ref}\` leads nowhere: move ${seq} of the tag, at ${new Date(atUs / 1000).toISOString()}${by}, deleted it${why}.`,
    {
      field: "ref",
      mend: `\`pkx history ${name}\` tells where it led; \`pkx rollback ${name}\` brings it back.`,
    },
  );
}

/** Of a full hash that no model has. */
export function noSuchHash(hash: string): PipekitError {
  return notFound(hash, "No model has the hash", "");
}

function notFound(ref: string, what: string, hint: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `${what} \`${ref}\`.`, {
    field: "ref",
    mend: `${hint}See \`pkx models list\` for what is stored.`,
  });
}
