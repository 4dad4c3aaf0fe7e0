/**
 * The header of a safetensors file: 8 bytes with the length of the header (little endian), the header as a JSON object
 * of `{name: {dtype, shape, data_offsets: [begin, end]}}`, then the data, whose every byte belongs to one tensor.
 * Format: https://github.com/huggingface/safetensors#format. The entry `__metadata__` is not looked at.
 */
import { JsonNumber, type JsonValue, parseJson } from "../../content/index.ts";

/** One tensor. */
export interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Where its bytes begin in the file. */
  readonly offset: number;
  readonly size: number;
}

/** Reads `length` bytes at `offset` of a file; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/** About 50,000 tensors; an answer that names all of them is one message. */
const MAX_HEADER_BYTES = 4 * 1024 * 1024;
const MAX_DIMENSIONS = 64;
const MAX_DEPTH = 4;

/** Bits of one value. */
const BITS: ReadonlyMap<string, number> = new Map([
  ...(["F4"] as const).map((name) => [name, 4] as const),
  ...(["F6_E2M3", "F6_E3M2"] as const).map((name) => [name, 6] as const),
  ...(["BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"] as const).map((name) => [name, 8] as const),
  ...(["I16", "U16", "F16", "BF16"] as const).map((name) => [name, 16] as const),
  ...(["I32", "U32", "F32"] as const).map((name) => [name, 32] as const),
  ...(["I64", "U64", "F64", "C64"] as const).map((name) => [name, 64] as const),
]);

/** The tensors of a file in the order of their bytes; undefined when it is no sound safetensors file of a known form. */
export async function readTensors(readAt: ReadAt, fileSize: number): Promise<Tensor[] | undefined> {
  const prefix = await readAt(0, 8);
  if (prefix.length < 8) return undefined;
  const length = prefix.readBigUInt64LE();
  if (length > MAX_HEADER_BYTES || length > fileSize - 8) return undefined;
  const header = await readAt(8, Number(length));
  if (header.length !== Number(length)) return undefined;
  try {
    const root = parseJson(header.toString("utf8"), "", MAX_DEPTH);
    return root instanceof Map ? tensorsOf(root, 8 + header.length, fileSize) : undefined;
  } catch {
    return undefined;
  }
}

function tensorsOf(
  root: ReadonlyMap<string, JsonValue>,
  start: number,
  fileSize: number,
): Tensor[] | undefined {
  const tensors: Tensor[] = [];
  for (const [name, entry] of root) {
    if (name === "__metadata__") continue;
    const tensor = tensorOf(name, entry, start);
    if (tensor === undefined) return undefined;
    tensors.push(tensor);
  }
  tensors.sort((a, b) => a.offset - b.offset || a.size - b.size);
  // No hole and no overlap: then no byte of the file is told of twice or not at all.
  let end = start;
  for (const tensor of tensors) {
    if (tensor.offset !== end) return undefined;
    end += tensor.size;
  }
  return end === fileSize ? tensors : undefined;
}

function tensorOf(name: string, entry: JsonValue, start: number): Tensor | undefined {
  if (!(entry instanceof Map)) return undefined;
  const dtype = entry.get("dtype");
  const bits = typeof dtype === "string" ? BITS.get(dtype) : undefined;
  const shape = counts(entry.get("shape"));
  const offsets = counts(entry.get("data_offsets"));
  if (typeof dtype !== "string" || bits === undefined || shape === undefined) return undefined;
  const [begin, end, ...more] = offsets ?? [];
  if (begin === undefined || end === undefined || more.length > 0 || end < begin) return undefined;
  if (
    shape.length > MAX_DIMENSIONS ||
    shape.reduce((product, size) => product * size, bits) !== (end - begin) * 8
  ) {
    return undefined;
  }
  return { name, dtype, shape, offset: start + begin, size: end - begin };
}

function counts(value: JsonValue | undefined): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const numbers = (value as readonly JsonValue[]).map((item) =>
    item instanceof JsonNumber && Number.isSafeInteger(item.value) && item.value >= 0
      ? item.value
      : undefined,
  );
  return numbers.every((item) => item !== undefined) ? numbers : undefined;
}
