/** The largest absolute difference of two tensors of one type, from their bytes. */

/** Reads value number `index` of little-endian bytes. */
type ReadValue = (view: DataView, index: number) => number;

const READERS: ReadonlyMap<string, { readonly bytes: number; readonly read: ReadValue }> = new Map([
  ["U8", { bytes: 1, read: (view, i) => view.getUint8(i) }],
  ["I8", { bytes: 1, read: (view, i) => view.getInt8(i) }],
  ["U16", { bytes: 2, read: (view, i) => view.getUint16(i * 2, true) }],
  ["I16", { bytes: 2, read: (view, i) => view.getInt16(i * 2, true) }],
  ["U32", { bytes: 4, read: (view, i) => view.getUint32(i * 4, true) }],
  ["I32", { bytes: 4, read: (view, i) => view.getInt32(i * 4, true) }],
  ["F16", { bytes: 2, read: (view, i) => half(view.getUint16(i * 2, true)) }],
  ["BF16", { bytes: 2, read: brainFloat }],
  ["F32", { bytes: 4, read: (view, i) => view.getFloat32(i * 4, true) }],
  ["F64", { bytes: 8, read: (view, i) => view.getFloat64(i * 8, true) }],
]);

/**
 * Largest absolute difference of the values in two runs of bytes of one length, which hold whole values of type `dtype`.
 * Undefined when they cannot be subtracted: another type, or a NaN that stands against a number.
 */
export function maxDifference(dtype: string, a: Buffer, b: Buffer): number | undefined {
  if (dtype === "I64" || dtype === "U64") return wideDifference(dtype, a, b);
  const reader = READERS.get(dtype);
  if (reader === undefined) return undefined;
  const [left, right] = [viewOf(a), viewOf(b)];
  let largest = 0;
  for (let i = 0, count = a.length / reader.bytes; i < count; i++) {
    const [x, y] = [reader.read(left, i), reader.read(right, i)];
    // Equal infinities differ by nothing, and so do two NaNs.
    if (Object.is(x, y)) continue;
    const difference = Math.abs(x - y);
    if (Number.isNaN(difference)) return undefined;
    if (difference > largest) largest = difference;
  }
  return largest;
}

function wideDifference(dtype: string, a: Buffer, b: Buffer): number {
  const [left, right] = [viewOf(a), viewOf(b)];
  let largest = 0n;
  for (let at = 0; at < a.length; at += 8) {
    const x = dtype === "I64" ? left.getBigInt64(at, true) : left.getBigUint64(at, true);
    const y = dtype === "I64" ? right.getBigInt64(at, true) : right.getBigUint64(at, true);
    const difference = x < y ? y - x : x - y;
    if (difference > largest) largest = difference;
  }
  return Number(largest);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

const widened = new DataView(new ArrayBuffer(4));

/** The upper half of an F32. */
function brainFloat(view: DataView, index: number): number {
  widened.setUint16(2, view.getUint16(index * 2, true), true);
  return widened.getFloat32(0, true);
}

/** IEEE 754 binary16. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
