/**
 * Small objects that change or are read together (tags, leases, tombstones, pins) as tags of the registered model.
 *
 * MLflow's tag has the key `pipekit/<key>`. Databases may take `Prod` and `prod` for one: a key with capitals ends in
 * `/case-<hex mask of their places>`, so that no two keys differ in case alone. Its value is the object's text, so that
 * line 1 of a tag is the hash in MLflow's UI as well, and a last line of ours:
 *
 *     <text>\n#pipekit 1 <unix microseconds> <nonce> plain
 *
 * Bytes that are not printable ASCII stand there as base64, with `base64` for `plain`: not every database keeps more.
 * The nonce makes every write's value unlike any other's: it is what versions are made of.
 */

import { randomBytes } from "node:crypto";
import { BackendRefused } from "@pipekit/adapters/registry";
import { sha256 } from "../text.ts";

/** An object with what is known of its writing. */
export interface Entry {
  readonly bytes: Buffer;
  /** By the clock of the host that wrote it. */
  readonly modifiedAtUs: number;
  readonly version: string;
}

/** The first segments of the keys that are kept so. */
export const ENTRY_ROOMS = ["_gc/", "_leases/", "_pins/", "_tags/"] as const;

const PREFIX = "pipekit/";
const PLAIN = /^[\t\n\x20-\x7e]*$/;
const LAST_LINE = /\n#pipekit 1 (\d{1,16}) [0-9a-f]+ (plain|base64)$/;
/** What every database behind MLflow keeps, characters. */
const LONGEST_VALUE = 5000;
const LONGEST_KEY = 250;

export function isEntryKey(key: string): boolean {
  return ENTRY_ROOMS.some((room) => key.startsWith(room));
}

/** The key of MLflow's tag. Throws BackendRefused for one that MLflow does not take. */
export function tagKeyOf(key: string): string {
  const mask = [...key].reduce(
    (bits, char, place) => (/[A-Z]/.test(char) ? bits | (1n << BigInt(place)) : bits),
    0n,
  );
  const tagKey = `${PREFIX}${key}${mask === 0n ? "" : `/case-${mask.toString(16)}`}`;
  if (tagKey.length <= LONGEST_KEY) return tagKey;
  throw new BackendRefused(`The name in ${key} is too long for a tag of MLflow.`, "Choose a shorter name.");
}

/** The key in the key of MLflow's tag; undefined when the tag is none of ours. */
export function keyOfTag(tagKey: string): string | undefined {
  if (!tagKey.startsWith(PREFIX)) return undefined;
  return tagKey.slice(PREFIX.length).replace(/\/case-[0-9a-f]+$/, "");
}

/** A value that no other write makes. Throws BackendRefused for one that MLflow does not take. */
export function encodeEntry(
  key: string,
  bytes: Buffer,
): { readonly value: string; readonly version: string } {
  const text = bytes.toString("latin1");
  const plain = PLAIN.test(text);
  const at = Date.now() * 1000;
  const last = `#pipekit 1 ${at} ${randomBytes(8).toString("hex")} ${plain ? "plain" : "base64"}`;
  const value = `${plain ? text : bytes.toString("base64")}\n${last}`;
  if (value.length > LONGEST_VALUE) {
    throw new BackendRefused(
      `${key} would take ${value.length} characters; a tag of MLflow keeps ${LONGEST_VALUE}.`,
      "Shorten the reason or the actor.",
    );
  }
  return { value, version: sha256(value) };
}

/** Undefined when the value is none that `encodeEntry` made. */
export function decodeEntry(value: string): Entry | undefined {
  const last = LAST_LINE.exec(value);
  if (last === null) return undefined;
  const text = value.slice(0, last.index);
  const bytes = Buffer.from(text, last[2] === "plain" ? "latin1" : "base64");
  return { bytes, modifiedAtUs: Number(last[1]), version: sha256(value) };
}
