import { readFile, rename, writeFile } from "node:fs/promises";
import { parseJson } from "@pipekit/adapters/json";
import { ulid } from "ulid";
import { z } from "zod";

const MOST_WRITERS = 4096;

const Saved = z.object({
  stream: z.string(),
  source: z.string(),
  position: z.number().int().min(0),
  writers: z.array(z.tuple([z.string(), z.number().int()])),
});

/** How far a journal is published to a stream. Kept in a file, which may lag: what is published again does no harm. */
export class Published {
  readonly #file: string;
  readonly #stream: string;
  /** ULID of this journal as a source of messages. */
  readonly source: string;
  #position: number;
  /** Seqs of the last frames of writers, the one that wrote last at the end. */
  readonly #writers: Map<string, number>;
  #saving: Promise<void> = Promise.resolve();

  /** Begins anew for another stream than before. */
  static async open(file: string, stream: string): Promise<Published> {
    const text = await readFile(file, "utf8").catch(() => "");
    const found = Saved.safeParse(parseJson(text));
    if (found.success && found.data.stream === stream) {
      const { source, position, writers } = found.data;
      return new Published(file, stream, source, position, new Map(writers));
    }
    return new Published(file, stream, found.success ? found.data.source : ulid(), 0, new Map());
  }

  private constructor(
    file: string,
    stream: string,
    source: string,
    position: number,
    writers: Map<string, number>,
  ) {
    this.#file = file;
    this.#stream = stream;
    this.source = source;
    this.#position = position;
    this.#writers = writers;
  }

  /** The journal up to there is in the stream. */
  get position(): number {
    return this.#position;
  }

  /** Seq of the last frame of a writer; undefined for a new one, and one that was silent for long. */
  lastSeq(writerId: string): number | undefined {
    return this.#writers.get(writerId);
  }

  /** Frames up to a position are published; `seqs` are the last ones of their writers. */
  advance(position: number, seqs: ReadonlyMap<string, number>): void {
    this.#position = position;
    for (const [writerId, seq] of seqs) {
      this.#writers.delete(writerId);
      this.#writers.set(writerId, seq);
    }
    for (const writerId of this.#writers.keys()) {
      if (this.#writers.size <= MOST_WRITERS) break;
      this.#writers.delete(writerId);
    }
  }

  /** Throws errors of the file system. */
  save(): Promise<void> {
    const { source, position } = this;
    const text = JSON.stringify({ stream: this.#stream, source, position, writers: [...this.#writers] });
    this.#saving = this.#saving
      .catch(() => undefined)
      .then(async () => {
        await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
        await rename(`${this.#file}.new`, this.#file);
      });
    return this.#saving;
  }
}
