/** The frame of `.wandb` files. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { countCells } from "../../adapters/wandb/offline/count.ts";
import { FILE_HEADER, frameRecords, readLog } from "../../adapters/wandb/offline/log-file.ts";
import { type PythonReader, startPythonReader } from "../support/python-reader.ts";

const never = new AbortController().signal;
const BLOCK = 32 * 1024;
let folder: string;
let file: string;
let reader: PythonReader;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-wandb-log-"));
  file = join(folder, "run.wandb");
  reader = startPythonReader("test/wandb/offline_reader.py");
});
afterAll(async () => {
  await reader.close();
  rmSync(folder, { recursive: true, force: true });
});

const read = async () => {
  const records: Buffer[] = [];
  const whole = await readLog(file, (record) => records.push(Buffer.from(record)), never);
  return { records, whole };
};

test("a file with one record is the one of the format's description", () => {
  const bytes = Buffer.concat([FILE_HEADER, frameRecords([Buffer.from("6801", "hex").subarray(0, 0)], 7)]);
  expect(bytes.subarray(0, 7).toString("hex")).toBe("3a572642e1be00");
  const record = frameRecords([Buffer.from("080d", "hex")], FILE_HEADER.length);
  expect(record.toString("hex")).toBe("9045eb480200" + "01" + "080d");
});

/** A Record with `num` 13 and a uuid that makes it `size` bytes. */
function recordOf(size: number): Buffer {
  if (size < 10) return Buffer.from("080d", "hex");
  const head = size < 0x80 + 5 ? 1 : size < 0x4000 + 6 ? 2 : 3;
  const length = size - 2 - 2 - head;
  const bytes = Buffer.alloc(size, "u");
  bytes.set([0x08, 0x0d, 0x9a, 0x01]);
  let rest = length;
  for (let at = 0; at < head; at++, rest >>= 7) bytes[4 + at] = (rest & 0x7f) | (at < head - 1 ? 0x80 : 0);
  return bytes;
}

test("records are read again, by W&B's messages too, however they fall into blocks", async () => {
  const edges = Array.from({ length: 20 }, (_, at) => BLOCK - 7 - 7 - 5 - at);
  const size = fc.oneof(
    fc.integer({ min: 2, max: 400 }),
    fc.constantFrom(...edges),
    fc.integer({ min: 10, max: 3 * BLOCK }),
  );
  const batches = fc.array(fc.array(size, { maxLength: 5 }), { maxLength: 4 });
  const property = fc.asyncProperty(batches, fc.double({ min: 0, max: 1, noNaN: true }), async (all, cut) => {
    const parts: Buffer[] = [FILE_HEADER];
    let position = FILE_HEADER.length;
    for (const batch of all) {
      const bytes = frameRecords(batch.map(recordOf), position);
      parts.push(Buffer.from(bytes));
      position += bytes.length;
    }
    const sent = all.flat().map(recordOf);
    writeFileSync(file, Buffer.concat(parts));
    const { records, whole } = await read();
    expect(records.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
    expect(Buffer.concat(records).equals(Buffer.concat(sent))).toBe(true);
    expect(whole).toBe(position);
    expect(await reader.ask({ file })).toHaveLength(sent.length);
    writeFileSync(file, Buffer.concat(parts).subarray(0, Math.floor(position * cut)));
    const torn = await read();
    expect(torn.whole).toBeLessThanOrEqual(position * cut);
    expect(torn.records).toEqual(records.slice(0, torn.records.length));
    // Going on behind what is whole gives a file without a seam.
    const more = frameRecords([recordOf(100)], torn.whole || FILE_HEADER.length);
    const kept = torn.whole === 0 ? FILE_HEADER : Buffer.concat(parts).subarray(0, torn.whole);
    writeFileSync(file, Buffer.concat([kept, more]));
    expect((await read()).records).toHaveLength(torn.records.length + 1);
    expect(await reader.ask({ file })).toHaveLength(torn.records.length + 1);
  });
  await fc.assert(property, { numRuns: 60 });
});

test("cells are counted whether their items have a key, or a nested one as those of W&B's client", async () => {
  const history = (keyField: number, step: number) => {
    const item = new BinaryWriter().tag(keyField, 2).string("loss").tag(16, 2).string("1").finish();
    const body = new BinaryWriter().tag(1, 2).bytes(item).tag(2, 2).fork().tag(1, 0).int64(step).join();
    return new BinaryWriter().tag(2, 2).bytes(body.finish()).finish();
  };
  const records = frameRecords([history(1, 3), history(2, 4)], FILE_HEADER.length);
  writeFileSync(file, Buffer.concat([FILE_HEADER, records]));
  const { history: cells, lines, lastStep } = await countCells(file, never);
  expect([[...cells], lines, lastStep]).toEqual([[["loss", 2]], 2, 4]);
});
