/** A registry that models and tags are brought into. */
import type { PendingBlob, RegistryBackend } from "@pipekit/adapters/registry";
import type { CopiedTag } from "@pipekit/proto";
import type { Lease } from "../collecting/lease.ts";
import type { Leases } from "../collecting/leases.ts";
import { Damage, type FileDigest, type Metadata } from "../metadata.ts";
import { FILES, modelKey, readMetadata } from "../model.ts";
import type { ReadyDocuments } from "../ready-documents.ts";
import type { Stored, Storing } from "../storing.ts";
import type { LoggedMove } from "../tag-file.ts";
import type { CurrentTag, Tags } from "../tags.ts";
import { type History, hasLogAfter, movesAfter, prepareLog, standingOf } from "./history.ts";
import type { CopyParts } from "./parts.ts";
import { damagedTag } from "./selection.ts";

/** How tags are brought over. */
export interface TagOptions {
  /** Where they come from, for the reason of a forced move. */
  readonly from: string;
  readonly force: boolean;
  readonly actor: string;
  /** For a forced move. */
  readonly principal?: string;
}

/** Lost races after which a tag is left to those who move it. */
const MAX_ATTEMPTS = 20;

export class Target {
  readonly backend: RegistryBackend;
  readonly #tags: Tags;
  readonly #storing: Storing;
  readonly #leases: Leases;

  constructor(parts: CopyParts) {
    this.backend = parts.backend;
    this.#tags = parts.tags;
    this.#storing = parts.storing;
    this.#leases = parts.leases;
  }

  /** Whether the model is there with all its files, by their sizes. A damaged one is not. */
  async has(hash: string, signal: AbortSignal): Promise<boolean> {
    const metadata = await readMetadata(this.backend, hash, signal).catch((error: unknown) => {
      if (error instanceof Damage) return undefined;
      throw error;
    });
    if (metadata === undefined) return false;
    const sizes = await Promise.all(
      filesOf(metadata).map(async ([file, { size }]) => {
        const found = await this.backend.info(modelKey(hash, file), signal);
        return found?.size === size;
      }),
    );
    return sizes.every(Boolean);
  }

  /** Stores a model byte for byte. `sent` is told of the bytes that go over the network. The weights are discarded. */
  async adopt(
    ready: ReadyDocuments,
    weights: PendingBlob | undefined,
    actor: string,
    sent: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Stored> {
    try {
      return await this.#storing.adopt(ready, weights && telling(weights, sent), actor, signal);
    } finally {
      await weights?.discard();
    }
  }

  /** Brings a tag with its history. What stands against it is told, and the tag left as it is. */
  async bring(history: History, options: TagOptions, signal: AbortSignal): Promise<CopiedTag> {
    try {
      return await this.#bring(history, options, signal);
    } catch (error) {
      return damagedTag(history.last.name, error);
    }
  }

  async #bring(history: History, options: TagOptions, signal: AbortSignal): Promise<CopiedTag> {
    const { name } = history.last;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const end = await this.#try(history, options, signal);
      if (end === undefined) continue;
      if (end.problem !== "" && options.force) return this.#force(history.last, options, signal);
      return { name, ...end };
    }
    return { name, moves: 0, problem: `The tag \`${name}\` is moved here again and again.` };
  }

  /** One attempt; undefined when somebody else moved the tag meanwhile. */
  async #try(
    history: History,
    options: TagOptions,
    signal: AbortSignal,
  ): Promise<Omit<CopiedTag, "name"> | undefined> {
    const standing = await standingOf(this.#tags, history, signal);
    if (standing.kind === "level") return { moves: 0, problem: "" };
    if (standing.kind === "apart") return { moves: 0, problem: standing.why };
    const moves = await movesAfter(history, standing.current?.move, signal);
    if (typeof moves === "string") return { moves: 0, problem: moves };
    const problem = await this.#extend(moves, standing.current, options, signal);
    return problem === undefined ? undefined : { moves: problem === "" ? moves.length : 0, problem };
  }

  /** Moves the tag on by `moves`. Undefined when it moved meanwhile; else what stands against it, or nothing. */
  async #extend(
    moves: readonly LoggedMove[],
    current: CurrentTag | undefined,
    { actor }: TagOptions,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const last = moves.at(-1);
    if (last === undefined) return "";
    return this.#holding(last.hash, actor, signal, async (lease) => {
      if (last.hash !== "" && !(await this.#isThere(last.hash, signal))) return notHere(last);
      if (current !== undefined) await this.#tags.ensureLogged(current.move, signal);
      // Of a tag that is not there the log alone tells how far it had come.
      const isBehind = current === undefined && (await hasLogAfter(this.backend, last, signal));
      if (isBehind || !(await prepareLog(this.backend, moves, signal))) {
        // Whoever was faster has moved the tag, or left behind what is none of ours.
        return (await this.#hasMoved(last.name, current, signal))
          ? undefined
          : `Other moves of \`${last.name}\` are in the way in \`_log/${last.name}/\`.`;
      }
      lease?.check();
      if (!(await this.#tags.swap(last, current, signal))) return undefined;
      this.#tags.notify(last.name);
      return "";
    });
  }

  async #force(
    last: LoggedMove,
    { from, actor, principal = "" }: TagOptions,
    signal: AbortSignal,
  ): Promise<CopiedTag> {
    const { name, hash } = last;
    return this.#holding(hash, actor, signal, async (lease) => {
      if (hash !== "" && !(await this.#isThere(hash, signal)))
        return { name, moves: 0, problem: notHere(last) };
      const before = await this.#tags.current(name, signal);
      if (before?.hash === hash) return { name, moves: 0, problem: "" };
      const reason = `copied from ${from}`;
      const request = { name, hash, force: true, expectedHash: "", actor, principal, reason };
      await this.#tags.move(request, lease, signal);
      return { name, moves: 1, problem: "" };
    });
  }

  /** A move that deletes the tag needs no lease. */
  #holding<T>(
    hash: string,
    actor: string,
    signal: AbortSignal,
    work: (lease: Lease | undefined) => Promise<T>,
  ): Promise<T> {
    return hash === "" ? work(undefined) : this.#leases.hold(hash, { kind: "tagging", actor }, signal, work);
  }

  async #isThere(hash: string, signal: AbortSignal): Promise<boolean> {
    return (await this.backend.info(modelKey(hash, FILES.metadata), signal)) !== undefined;
  }

  async #hasMoved(name: string, before: CurrentTag | undefined, signal: AbortSignal): Promise<boolean> {
    const now = await this.#tags.current(name, signal);
    return now?.nonce !== before?.move.nonce;
  }
}

function notHere({ name, hash }: LoggedMove): string {
  return `The tag \`${name}\` points to ${hash}, which is not here.`;
}

function filesOf({ operatorYaml, preview, weights }: Metadata): [string, FileDigest][] {
  const files: [string, FileDigest | undefined][] = [
    [FILES.operator, operatorYaml],
    [FILES.preview, preview],
    [FILES.weights, weights],
  ];
  return files.filter((file): file is [string, FileDigest] => file[1] !== undefined);
}

/** The same weights; their sending is told. */
function telling(weights: PendingBlob, sent: (bytes: number) => void): PendingBlob {
  const { sha256, size } = weights;
  return {
    sha256,
    size,
    publish: (key, signal) => weights.publish(key, signal, sent),
    discard: () => weights.discard(),
  };
}
