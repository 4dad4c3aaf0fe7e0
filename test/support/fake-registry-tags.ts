/** Tags of the fake daemon, with their histories and who watches them. */
import { PipekitError, type TagMove, type WatchTagResponse } from "@pipekit/proto";
import { type FakeStream, unary } from "./fake-calls.ts";

type Watcher = { readonly name: string; readonly send: (message: WatchTagResponse) => void };

export class FakeTags {
  readonly moves = new Map<string, TagMove[]>();
  /** Thrown by the next watches, one each. */
  readonly watchFaults: PipekitError[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #hashOf: (ref: string) => string;

  constructor(hashOf: (ref: string) => string) {
    this.#hashOf = hashOf;
  }

  /** Moves a tag as another client would. */
  move(name: string, hash: string): TagMove {
    const moves = this.moves.get(name) ?? [];
    const previous = moves.at(-1);
    const move = {
      name,
      seq: (previous?.seq ?? 0) + 1,
      hash,
      previousHash: previous?.hash ?? "",
      actor: "somebody@else",
      atUs: 1_700_000_000_000_000 + moves.length * 1_000_000,
      reason: "",
      principal: "socket:somebody",
    };
    moves.push(move);
    this.moves.set(name, moves);
    for (const watcher of this.#watchers) if (watcher.name === name) watcher.send({ move });
    return move;
  }

  forgetWatchers(): void {
    this.#watchers.clear();
  }

  tag(name: string, hash: string, force: boolean): TagMove {
    const last = this.moves.get(name)?.at(-1);
    if (last?.hash === hash) return last;
    if (last !== undefined && last.hash !== "" && !force) {
      const mend = "Give --force to move it.";
      throw new PipekitError("TAG_EXISTS", `The tag ${name} points elsewhere.`, { field: name, mend });
    }
    return this.move(name, hash);
  }

  handlers() {
    return {
      tag: unary((request: { ref: string; name: string; force: boolean; expectedHash: string }) => {
        const current = this.moves.get(request.name)?.at(-1)?.hash ?? "";
        if (request.expectedHash !== "" && request.expectedHash !== current) {
          throw new PipekitError("TAG_CONFLICT", `The tag ${request.name} points elsewhere.`, {
            field: request.name,
          });
        }
        return { move: this.tag(request.name, this.#hashOf(request.ref), request.force) };
      }),
      resolveTag: unary(({ ref }: { ref: string }) => ({
        hash: this.#hashOf(ref),
        move: this.moves.get(ref)?.at(-1),
      })),
      tagHistory: unary(({ name }: { name: string }) => {
        const moves = this.moves.get(name);
        if (moves === undefined) throw notFound(name);
        return { moves: moves.toReversed(), nextPageToken: "" };
      }),
      watchTag: (call: FakeStream<WatchTagResponse> & { request: { name: string; afterSeq: number } }) => {
        const { name, afterSeq } = call.request;
        const fault = this.watchFaults.shift();
        if (fault !== undefined) return call.emit("error", fault.toServiceError());
        const moves = this.moves.get(name) ?? [];
        const due = afterSeq === 0 ? moves.slice(-1) : moves.filter((move) => move.seq > afterSeq);
        for (const move of due) call.write({ move });
        const watcher = { name, send: (message: WatchTagResponse) => void call.write(message) };
        this.#watchers.add(watcher);
        return call.on("cancelled", () => this.#watchers.delete(watcher));
      },
      rollbackTag: unary(({ name, steps }: { name: string; steps: number }) => {
        const target = this.moves.get(name)?.at(-1 - steps);
        if (target === undefined) throw notFound(`${name}~${steps}`);
        return { move: this.move(name, target.hash) };
      }),
      deleteTag: unary(({ name }: { name: string }) => ({ move: this.move(name, "") })),
      listTags: unary(() => {
        const last = [...this.moves.values()].flatMap((moves) => moves.slice(-1));
        return { tags: last.filter(({ hash }) => hash !== ""), nextPageToken: "" };
      }),
    };
  }
}

export function notFound(ref: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `Nothing answers to ${ref}.`, {
    field: ref,
    mend: "See `pkx models list`.",
  });
}
