/** The keys of one run as MLflow knows them, and what a person should be told of them. */

import { clip } from "@pipekit/adapters/http";
import { Notes } from "../notes.ts";
import { mlflowKey, ORIGINAL_TAG } from "./keys.ts";
import { storable } from "./text.ts";

/** A key of ours in MLflow's spelling. */
export interface Name {
  /** The key in MLflow. */
  readonly mapped: string;
  /** The same as JSON text. */
  readonly json: string;
  /** The run tag that keeps the original, when MLflow's spelling is another. */
  readonly tag: { readonly key: string; readonly value: string } | undefined;
}

export class Names {
  readonly #names = new Map<string, Name>();
  readonly #kept = new Set<string>();
  readonly #notes = new Notes();
  /** Keeps a sentence for a person, unless it was said before. */
  readonly note = this.#notes.add;

  /** The name of a key; the first time that it is another one, a note is made. */
  of(key: string): Name {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const mapped = mlflowKey(key);
    const tag = mapped === key ? undefined : { key: ORIGINAL_TAG + mapped, value: storable(key) };
    const name = { mapped, json: JSON.stringify(mapped), tag };
    this.#names.set(key, name);
    if (tag !== undefined)
      this.note(`MLflow does not take the key \`${clip(key)}\`; it is shown as \`${mapped}\`.`);
    return name;
  }

  /** The tag still to be sent for a name, once in a run. */
  missingTag(name: Name): { readonly key: string; readonly value: string } | undefined {
    return name.tag === undefined || this.#kept.has(name.tag.key) ? undefined : name.tag;
  }

  /** Says that MLflow has the tag. */
  keptTag(key: string): void {
    this.#kept.add(key);
  }

  takeNotes(): readonly string[] {
    return this.#notes.take();
  }
}
