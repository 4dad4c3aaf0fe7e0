/** Two weights files tensor by tensor, in a few buffers of memory. */
import { type FileHandle, open } from "node:fs/promises";
import type { TensorDiff } from "@pipekit/proto";
import { type ReadAt, readTensors, type Tensor } from "./safetensors.ts";
import { maxDifference } from "./values.ts";

/** A whole number of values of every type. */
const CHUNK_BYTES = 1024 * 1024;

/** What two files have in common. */
export interface ComparedTensors {
  readonly tensors: TensorDiff[];
  readonly same: number;
}

/** Compares the files at two paths by the names of their tensors; undefined when either is no sound safetensors file. */
export async function compareTensors(
  pathA: string,
  pathB: string,
  signal: AbortSignal,
): Promise<ComparedTensors | undefined> {
  await using a = await openFile(pathA);
  await using b = await openFile(pathB);
  const inA = await readTensors(a.readAt, a.size);
  const inB = inA && (await readTensors(b.readAt, b.size));
  if (inA === undefined || inB === undefined) return undefined;
  const others = new Map(inB.map((tensor) => [tensor.name, tensor]));
  const tensors: TensorDiff[] = [];
  let same = 0;
  for (const tensor of inA) {
    const other = others.get(tensor.name);
    others.delete(tensor.name);
    const difference = await compare(a.readAt, tensor, b.readAt, other, signal);
    if (difference === undefined) same += 1;
    else tensors.push(difference);
  }
  for (const { name, ...tensor } of others.values()) tensors.push({ name, aType: "", bType: typeOf(tensor) });
  return { tensors: tensors.sort((x, y) => (x.name < y.name ? -1 : 1)), same };
}

/** Undefined when both are the same. */
async function compare(
  readA: ReadAt,
  a: Tensor,
  readB: ReadAt,
  b: Tensor | undefined,
  signal: AbortSignal,
): Promise<TensorDiff | undefined> {
  const named = { name: a.name, aType: typeOf(a), bType: b === undefined ? "" : typeOf(b) };
  if (b === undefined || named.aType !== named.bType) return named;
  let largest: number | undefined = 0;
  let differs = false;
  for (let at = 0; at < a.size; at += CHUNK_BYTES) {
    signal.throwIfAborted();
    const length = Math.min(CHUNK_BYTES, a.size - at);
    const [left, right] = await Promise.all([readA(a.offset + at, length), readB(b.offset + at, length)]);
    if (left.equals(right)) continue;
    differs = true;
    const difference = maxDifference(a.dtype, left, right);
    if (difference === undefined) return named;
    largest = Math.max(largest, difference);
  }
  return differs ? { ...named, maxDifference: largest } : undefined;
}

function typeOf({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): string {
  return `${dtype} [${shape.join(", ")}]`;
}

interface OpenFile extends AsyncDisposable {
  readonly readAt: ReadAt;
  readonly size: number;
}

async function openFile(path: string): Promise<OpenFile> {
  const handle = await open(path, "r");
  const { size } = await handle.stat();
  return {
    size,
    readAt: (offset, length) => readFully(handle, offset, length),
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** Fewer bytes only at the end of the file. */
async function readFully(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
