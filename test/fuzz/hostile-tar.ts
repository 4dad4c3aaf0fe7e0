/** Entries of a sound tar, put together as nobody does. */
import fc from "fast-check";
import type { TarEntry } from "../support/tar-entries.ts";

/** Makes other entries of sound ones. */
export type TarChange = (entries: readonly TarEntry[]) => readonly TarEntry[];

const NAMES = [
  "../out",
  "/out",
  "a\0b",
  "",
  "x".repeat(300),
  `${"x/".repeat(200)}y`,
  `models/${"x".repeat(300)}`,
];

/** A few changes; entries that are added have one of these names, or one that leads elsewhere. */
export function tarChanges(names: readonly string[]): fc.Arbitrary<TarChange> {
  const added = fc.record({
    name: fc.constantFrom(...NAMES, ...names),
    type: fc.constantFrom("file", "symlink", "link", "directory", "fifo"),
    linkname: fc.constantFrom("", "/etc/passwd", "../../x"),
    body: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }) as fc.Arbitrary<TarEntry>;
  const how = fc.constantFrom("drop", "twice", "swap", "noise", "insert", "cut");
  const noise = fc.uint8Array({ minLength: 1, maxLength: 20 });
  return fc
    .array(fc.tuple(fc.nat(30), how, added, noise), { minLength: 1, maxLength: 3 })
    .map((changes) => (sound) => {
      const entries = [...sound];
      for (const change of changes) rearrange(entries, ...change);
      return entries;
    });
}

function rearrange(
  entries: TarEntry[],
  place: number,
  how: string,
  added: TarEntry,
  noise: Uint8Array,
): void {
  const at = place % Math.max(1, entries.length);
  const [one, next] = [entries[at], entries[at + 1]];
  if (one === undefined) return;
  if (how === "drop") entries.splice(at, 1);
  else if (how === "twice") entries.splice(at, 0, one);
  else if (how === "swap" && next !== undefined) entries.splice(at, 2, next, one);
  else if (how === "cut") entries[at] = { ...one, body: one.body.subarray(0, one.body.length / 2) };
  else if (how === "noise") entries[at] = { ...one, body: noised(one.body, noise) };
  // Only a file has a body.
  else
    entries.splice(
      at,
      0,
      added.type === "file" ? { ...added, linkname: "" } : { ...added, body: Buffer.alloc(0) },
    );
}

function noised(body: Buffer, noise: Uint8Array): Buffer {
  return Buffer.from(body.map((byte, i) => (i % 9 === 0 ? (noise[i % noise.length] ?? 0) : byte)));
}
