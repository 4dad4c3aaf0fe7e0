/** Differences of weights, tensor by tensor, and of documents; what hostile files do. */
import { execFile } from "node:child_process";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { DiffResponse } from "@pipekit/proto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { maxDifference } from "../../daemon/registry/diffing/values.ts";
import type { Registry } from "../../daemon/registry/index.ts";
import { inProcess, never, newModel, type RegistryFixture, streamOf } from "../contract/registry-harness.ts";

let fixture: RegistryFixture;
let registry: Registry;

beforeEach(async () => {
  fixture = await inProcess();
  registry = fixture.registry;
});
afterEach(() => fixture.close());

interface Part {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

function safetensors(tensors: Record<string, Part>, change: (header: object) => unknown = (h) => h): Buffer {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }] as const;
  });
  const header = Buffer.from(
    JSON.stringify(change({ __metadata__: { tied: "x" }, ...Object.fromEntries(entries) })),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

function f32(...values: number[]): Part {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, i * 4);
  return { dtype: "F32", shape: [values.length], bytes };
}

async function store(weights: Buffer): Promise<string> {
  const chunks = streamOf(weights);
  const { model } = await registry.store(newModel({ weights: chunks, weightsFormat: "safetensors" }), never);
  return model.hash;
}

async function diff(a: Buffer, b: Buffer): Promise<DiffResponse> {
  return registry.diff(await store(a), await store(b), never);
}

test("tensors are told apart by name, in whatever order they stand", async () => {
  const same = f32(1, 2, 3);
  const a = safetensors({ same, moved: f32(1, -2), gone: f32(1), shape: f32(1, 2, 3, 4), z: f32(0.5) });
  const b = safetensors({
    z: f32(0.5),
    shape: { ...f32(1, 2, 3, 4), shape: [2, 2] },
    moved: f32(1.25, -3),
    same,
    new: f32(1),
  });
  expect(await diff(a, b)).toMatchObject({
    tensorsCompared: true,
    sameWeights: false,
    sameTensors: 2,
    entries: [],
    tensors: [
      { name: "gone", aType: "F32 [1]", bType: "" },
      { name: "moved", aType: "F32 [2]", bType: "F32 [2]", maxDifference: 1 },
      { name: "new", aType: "", bType: "F32 [1]" },
      { name: "shape", aType: "F32 [4]", bType: "F32 [2, 2]" },
    ],
  });
  const [, , added] = (await diff(a, b)).tensors;
  expect(added?.maxDifference).toBeUndefined();
});

test("the same weights in other bytes are the same, and large ones are compared to their end", async () => {
  const large = Buffer.alloc(3 * 1024 * 1024 + 12, 7);
  const other = Buffer.from(large);
  other.writeFloatLE(100, large.length - 4);
  const part = (bytes: Buffer): Part => ({ dtype: "F32", shape: [bytes.length / 4], bytes });
  const plain = safetensors({ large: part(large) });
  const padded = safetensors({ large: part(large) }, (header) => ({
    ...header,
    __metadata__: { other: "text" },
  }));
  expect(await diff(plain, padded)).toMatchObject({
    tensors: [],
    tensorsCompared: true,
    sameWeights: false,
    sameTensors: 1,
  });
  const found = await diff(plain, safetensors({ large: part(other) }));
  expect(found.tensors).toMatchObject([{ name: "large", maxDifference: expect.closeTo(100, 3) }]);
  const hash = await store(plain);
  expect(await registry.diff(hash, hash, never)).toMatchObject({
    sameWeights: true,
    tensorsCompared: true,
    sameTensors: 1,
  });
});

test("files of the safetensors library itself", { timeout: 60_000 }, async () => {
  const script = `
import sys, numpy, torch
from safetensors.torch import save_file
base = {name: torch.arange(6).reshape(2, 3).to(dtype) for name, dtype in [
  ("f64", torch.float64), ("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16),
  ("i64", torch.int64), ("i32", torch.int32), ("i16", torch.int16), ("i8", torch.int8), ("u8", torch.uint8),
  ("bool", torch.bool), ("f8", torch.float8_e4m3fn)]}
save_file(base, sys.argv[1], metadata={"format": "pt"})
changed = {name: tensor.clone() for name, tensor in base.items()}
for name, tensor in changed.items():
  tensor[1, 1] = tensor.to(torch.float32)[1, 1].item() + 3 if name != "bool" else False
save_file(changed, sys.argv[2])
`;
  const [one, two] = [join(fixture.scratch, "a.safetensors"), join(fixture.scratch, "b.safetensors")];
  const python = join(import.meta.dirname, "../../.venv/bin/python");
  await promisify(execFile)(python, ["-c", script, one, two]);
  const hashes: string[] = [];
  for (const path of [one, two]) {
    const weights = { kind: "path", path, staged: false } as const;
    hashes.push((await registry.store(newModel({ weights }), never)).model.hash);
  }
  const { tensors, tensorsCompared } = await registry.diff(hashes[0] ?? "", hashes[1] ?? "", never);
  expect(tensorsCompared).toBe(true);
  const plain = Object.fromEntries(
    tensors.map(({ name, aType, maxDifference }) => [name, [aType, maxDifference]]),
  );
  expect(plain).toEqual({
    f64: ["F64 [2, 3]", 3],
    f32: ["F32 [2, 3]", 3],
    f16: ["F16 [2, 3]", 3],
    bf16: ["BF16 [2, 3]", 3],
    i64: ["I64 [2, 3]", 3],
    i32: ["I32 [2, 3]", 3],
    i16: ["I16 [2, 3]", 3],
    i8: ["I8 [2, 3]", 3],
    u8: ["U8 [2, 3]", 3],
    bool: ["BOOL [2, 3]", undefined],
    f8: ["F8_E4M3 [2, 3]", undefined],
  });
});

describe("values", () => {
  const u16 = (...values: number[]): Buffer => Buffer.from(Uint16Array.from(values).buffer);
  const i64 = (...values: bigint[]): Buffer => Buffer.from(BigInt64Array.from(values).buffer);
  test.each([
    ["halves: 1 and 1.5", "F16", u16(0x3c00), u16(0x3e00), 0.5],
    ["halves: the smallest and nothing", "F16", u16(0x0001), u16(0), 2 ** -24],
    ["halves: the largest and minus the largest", "F16", u16(0x7bff), u16(0xfbff), 131_008],
    ["halves: infinity and a number", "F16", u16(0x7c00), u16(0), Number.POSITIVE_INFINITY],
    ["halves: the same infinity", "F16", u16(0x7c00), u16(0x7c00), 0],
    ["halves: NaN and a number", "F16", u16(0x7e00), u16(0), undefined],
    ["halves: two NaNs", "F16", u16(0x7e00), u16(0x7e01), 0],
    ["zeros of two signs", "BF16", u16(0x8000), u16(0), 0],
    ["brain floats: 1 and 2", "BF16", u16(0x3f80), u16(0x4000), 1],
    ["wide integers", "I64", i64(-(2n ** 63n)), i64(2n ** 63n - 1n), 2 ** 64],
    ["wide integers without a sign", "U64", i64(-1n), i64(0n), 2 ** 64],
    ["truths", "BOOL", Buffer.from([1]), Buffer.from([0]), undefined],
  ])("%s", (_, dtype, a, b, expected) => {
    expect(maxDifference(dtype, a, b)).toBe(expected);
  });
});

describe("what is no sound safetensors file is not compared", () => {
  const good = safetensors({ x: f32(1, 2) });
  const withHeader = (text: string, data = 8): Buffer => {
    const header = Buffer.from(text);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return Buffer.concat([length, header, Buffer.alloc(data)]);
  };
  const entry = (part: object): string =>
    JSON.stringify({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...part } });
  const huge = Buffer.concat([Buffer.from("ffffffffffffff7f", "hex"), Buffer.alloc(100)]);
  test.each([
    ["raw bytes", Buffer.from("just some bytes, and no header at all")],
    ["nothing", Buffer.alloc(0)],
    ["seven bytes", Buffer.alloc(7)],
    ["a header of 2^63 bytes", huge],
    ["a header that is longer than the file", Buffer.concat([good.subarray(0, 8), Buffer.from("{}")])],
    ["a header that is no JSON", withHeader("{")],
    ["a header that is a list", withHeader("[]", 0)],
    [
      "a name twice",
      withHeader(
        `{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`,
      ),
    ],
    ["deep nesting", withHeader("[".repeat(100_000))],
    ["an unknown type", withHeader(entry({ dtype: "F33" }))],
    ["a shape that does not fit", withHeader(entry({ shape: [3] }))],
    ["a negative shape", withHeader(entry({ shape: [-1, -2] }))],
    ["a shape whose product is not a number", withHeader(entry({ shape: [2 ** 52, 2 ** 52, 0] }))],
    ["a fraction", withHeader(entry({ shape: [0.5, 4] }))],
    ["offsets behind the end", withHeader(entry({ data_offsets: [8, 16] }))],
    ["offsets that go back", withHeader(entry({ data_offsets: [8, 0] }))],
    ["three offsets", withHeader(entry({ data_offsets: [0, 8, 8] }))],
    ["a hole", withHeader(entry({ data_offsets: [4, 12] }), 12)],
    ["bytes of no tensor", withHeader(entry({}), 9)],
    [
      "an overlap",
      withHeader(
        JSON.stringify({ ...JSON.parse(entry({})), y: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }),
      ),
    ],
    ["a tensor that is a text", withHeader('{"x":"F32"}')],
  ])("%s", async (_, bytes) => {
    expect(await diff(good, bytes)).toMatchObject({ tensorsCompared: false, tensors: [], sameTensors: 0 });
    expect(await diff(bytes, good)).toMatchObject({ tensorsCompared: false });
  });

  test("weights against none", async () => {
    const none = (await registry.store(newModel(), never)).model.hash;
    const found = await registry.diff(await store(good), none, never);
    expect(found).toMatchObject({ tensorsCompared: false, sameWeights: false });
    expect(found.entries).toMatchObject([{ document: "weights_format", aJson: '"safetensors"', bJson: "" }]);
  });
});

test("a document with many differences is told as one, and a long text by its length", async () => {
  const part = (values: number[]) => JSON.stringify({ many: values, few: { x: values[0], same: 1 } });
  const numbers = Array.from({ length: 1000 }, (_, i) => i);
  const a = await registry.store(newModel({ metadataJson: part(numbers) }), never);
  const b = await registry.store(
    newModel({ metadataJson: part(numbers.map((value) => value + 1)), datasetHash: "other" }),
    never,
  );
  const { entries } = await registry.diff(a.model.hash, b.model.hash, never);
  expect(entries).toMatchObject([
    { document: "dataset_hash", path: "", aJson: "", bJson: '"other"' },
    { document: "metadata", path: "many", aJson: expect.stringMatching(/^"\d+ bytes of JSON"$/) },
    { document: "metadata", path: "few.x", aJson: "0", bJson: "1" },
  ]);
});

test("a damaged model is told as such", async () => {
  const hash = await store(safetensors({ x: f32(1, 2) }));
  const path = join(fixture.root, hash, "weights.bin");
  await chmod(path, 0o600);
  await writeFile(path, "damaged");
  const other = await store(safetensors({ x: f32(1, 3) }));
  await expect(registry.diff(hash, other, never)).rejects.toMatchObject({
    code: "CORRUPT_MODEL",
    field: hash,
  });
});
