/** Hostile bytes: what is sound, changed in a few places. */
import fc from "fast-check";

/** One change. Places are shares of the length, so that a change fits bytes of any length. */
type Edit =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "cut"; readonly at: number; readonly length: number }
  | { readonly kind: "end"; readonly at: number }
  | { readonly kind: "repeat"; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: "splice"; readonly at: number; readonly from: number; readonly length: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "overwrite"; readonly at: number; readonly bytes: Uint8Array };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const short = fc.nat(40);

/** Integers at which lengths and counts go wrong, as little-endian and big-endian bytes and as varints. */
const integers: readonly Uint8Array[] = [
  ...[0n, 1n, 127n, 128n, 255n, 256n, 65535n, 2n ** 24n - 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
].flatMap((value) => [
  ...[1, 2, 4, 8].flatMap((width) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    const little = bytes.subarray(0, width);
    return [little, Buffer.from(little).reverse()];
  }),
  varint(value),
]);

const token = fc.oneof(
  fc.constantFrom(...integers),
  fc.uint8Array({ minLength: 1, maxLength: 16 }),
  fc
    .constantFrom("\0", "\r\n", "NaN", "-1", "1e999", "__proto__", "../", "{", "[", '"', "\ufeff", "\ud800")
    .map((text) => Buffer.from(text)),
);

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: share, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant("cut" as const), at: share, length: short }),
  fc.record({ kind: fc.constant("end" as const), at: share }),
  fc.record({ kind: fc.constant("repeat" as const), at: share, length: short, times: fc.nat(50) }),
  fc.record({ kind: fc.constant("splice" as const), at: share, from: share, length: short }),
  fc.record({ kind: fc.constant("insert" as const), at: share, bytes: token }),
  fc.record({ kind: fc.constant("overwrite" as const), at: share, bytes: token }),
);

/** `sound`, changed in 1 to 6 places. */
export function mutated(sound: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(sound, fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([bytes, edits]) => edits.reduce(changed, Buffer.from(bytes)));
}

/** A sound text, changed in places; most changes leave UTF-8 that is none, which becomes U+FFFD. */
export function mutatedText(sound: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return mutated(sound.map((text) => Buffer.from(text))).map((bytes) => bytes.toString());
}

/** The varint of protobuf. */
export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    const more = rest >= 128n;
    bytes.push(Number(rest & 127n) | (more ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

function changed(bytes: Buffer, edit: Edit): Buffer {
  const at = Math.floor(edit.at * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (edit.kind) {
    case "flip": {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ (1 << edit.bit);
      return copy;
    }
    case "cut":
      return Buffer.concat([before, after.subarray(edit.length)]);
    case "end":
      return before;
    case "repeat":
      return Buffer.concat([before, ...Array(edit.times).fill(after.subarray(0, edit.length)), after]);
    case "splice": {
      const from = Math.floor(edit.from * bytes.length);
      return Buffer.concat([before, bytes.subarray(from, from + edit.length), after]);
    }
    case "insert":
      return Buffer.concat([before, edit.bytes, after]);
    case "overwrite":
      return Buffer.concat([before, edit.bytes, after.subarray(edit.bytes.length)]);
  }
}
