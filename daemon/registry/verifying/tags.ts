/** Tags and their histories: whether each reads, and whether the moves make one chain without a gap. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { listAll } from "../list-all.ts";
import { decodeLog, decodeTag, type LoggedMove, logKey, seqOfLogKey, tagKey } from "../tag-file.ts";
import type { Tags } from "../tags.ts";

/** Numbers that a sentence names. */
const MAX_NAMED = 5;

/** One sentence each, and the bytes that were read. `quick` reads no log entry but the last of each tag. */
export async function tagProblems(
  backend: RegistryBackend,
  tags: Tags,
  quick: boolean,
  signal: AbortSignal,
): Promise<{ problems: string[]; bytesRead: number }> {
  const verifying = new TagVerification(backend, quick, signal);
  const logs = await verifying.logs();
  const names = await tags.names(signal);
  for (const name of names) await verifying.tag(name, logs.get(name) ?? []);
  for (const name of logs.keys()) {
    if (!names.includes(name))
      verifying.problems.push(`\`_log/${name}/\` is the history of a tag that is not there.`);
  }
  return verifying;
}

class TagVerification {
  readonly problems: string[] = [];
  bytesRead = 0;
  readonly #backend: RegistryBackend;
  readonly #quick: boolean;
  readonly #signal: AbortSignal;

  constructor(backend: RegistryBackend, quick: boolean, signal: AbortSignal) {
    this.#backend = backend;
    this.#quick = quick;
    this.#signal = signal;
  }

  /** Numbers of the logged moves of each tag, in order. */
  async logs(): Promise<Map<string, number[]>> {
    const logs = new Map<string, number[]>();
    for await (const key of listAll(this.#backend, "_log/", {}, this.#signal)) {
      const [, name = ""] = key.split("/");
      const seq = seqOfLogKey(key);
      if (key !== logKey(name, seq)) {
        this.problems.push(`\`${key}\` is no log entry of a tag.`);
        continue;
      }
      const seqs = logs.get(name) ?? [];
      seqs.push(seq);
      logs.set(name, seqs);
    }
    return logs;
  }

  async tag(name: string, logged: readonly number[]): Promise<void> {
    const bytes = await this.#read(tagKey(name));
    if (bytes === undefined) return;
    const last = decodeTag(name, bytes);
    if (last === undefined) {
      this.problems.push(`\`${tagKey(name)}\` is damaged.`);
      return;
    }
    this.#numbers(last, logged);
    await this.#entries(last, logged);
  }

  /** The last move may lack its entry: its mover may be about to write it, or have died, and the next one writes it. */
  #numbers({ name, seq }: LoggedMove, logged: readonly number[]): void {
    const there = new Set(logged);
    const missing = Array.from({ length: seq - 1 }, (_, i) => i + 1).filter((number) => !there.has(number));
    if (missing.length > 0) {
      const named = missing.slice(0, MAX_NAMED).join(", ");
      const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : "";
      this.problems.push(`The history of \`${name}\` lacks the moves ${named}${more}.`);
    }
    const end = logged.at(-1) ?? 0;
    if (end > seq) {
      const left = "a copy that was cut off or outrun left them, and the tag's next moves replace them";
      this.problems.push(
        `\`_log/${name}/\` tells of moves after ${seq}, to ${end}, that the tag has not made: ${left}.`,
      );
    }
  }

  async #entries(last: LoggedMove, logged: readonly number[]): Promise<void> {
    let before: LoggedMove | undefined;
    for (const seq of logged) {
      if (seq > last.seq) return;
      if (this.#quick && seq < last.seq) continue;
      this.#signal.throwIfAborted();
      before = await this.#entry(last, seq, before);
    }
  }

  /** `before` is the entry before it, if it is sound. */
  async #entry(
    last: LoggedMove,
    seq: number,
    before: LoggedMove | undefined,
  ): Promise<LoggedMove | undefined> {
    const key = logKey(last.name, seq);
    const bytes = await this.#read(key);
    const move = bytes && decodeLog(last.name, bytes);
    if (move === undefined || move.seq !== seq) {
      this.problems.push(`\`${key}\` is damaged.`);
      return undefined;
    }
    if (seq === last.seq && move.nonce !== last.nonce) {
      this.problems.push(
        `\`${key}\` tells of another move than the tag \`${last.name}\`; its next move sets it right.`,
      );
    }
    if (before?.seq === seq - 1 && move.previousHash !== before.hash) {
      this.problems.push(`\`${key}\` does not follow from the move before it.`);
    }
    return move;
  }

  async #read(key: string): Promise<Buffer | undefined> {
    const found = await this.#backend.get(key, this.#signal);
    this.bytesRead += found?.bytes.length ?? 0;
    return found?.bytes;
  }
}
