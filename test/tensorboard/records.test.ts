/** The bytes of event files. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { countPoints } from "../../adapters/tensorboard/count.ts";
import { maskedCrc32c } from "../../adapters/tensorboard/crc32c.ts";
import { addPoint, textEvent, versionEvent } from "../../adapters/tensorboard/events.ts";
import { RecordBuffer, readRecords } from "../../adapters/tensorboard/record-file.ts";
import { keyOf, tagOf } from "../../adapters/tensorboard/tags.ts";

const never = new AbortController().signal;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-events-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const recordsIn = async (bytes: Uint8Array): Promise<{ records: string[]; whole: number }> => {
  const path = join(folder, "events");
  writeFileSync(path, bytes);
  const records: string[] = [];
  const whole = await readRecords(path, (data) => records.push(data.toString("hex")), never);
  return { records, whole };
};

test("the first record of a file is the one of the format's description", () => {
  const buffer = new RecordBuffer(64);
  buffer.add(versionEvent(0));
  expect(buffer.written().toString("hex")).toBe(
    "1800000000000000a37f4b2209000000000000000" + "01a0d627261696e2e4576656e743a32eedf28a3",
  );
});

test("CRC-32C has its check value", () => {
  const bytes = Buffer.from("123456789");
  const crc = 0xe3069283;
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  expect(maskedCrc32c(bytes, 0, bytes.length)).toBe(masked);
});

test("points and texts have the bytes that TensorBoard's own messages have", () => {
  // Made with tensorboard 2.21 (event_pb2, summary_pb2, text_pb), SerializeToString(deterministic=True).
  const buffer = new RecordBuffer(1);
  const steps: [number, number][] = [
    [0, 0.5],
    [300, -1.25],
    [-1, 2],
    [2 ** 53 - 1, Number.POSITIVE_INFINITY],
  ];
  for (const [step, value] of steps)
    addPoint(buffer, Buffer.from("train/损失"), step, value, 1_760_000_000_250_000);
  buffer.add(textEvent("pipekit/tags/a", "red", 1, 1_760_000_000_250_000));
  expect(buffer.written().toString("base64")).toBe(
    "IAAAAAAAAAAp7alQCQAAEADeOdpBKhUKEwoMdHJhaW4v5o2f5aSxFQAAAD9y6VnxIwAAAAAAAACwn3dDCQAAEADeOdpBEKwCKhUK" +
      "EwoMdHJhaW4v5o2f5aSxFQAAoL9wKducKwAAAAAAAACGG8NLCQAAEADeOdpBEP///////////wEqFQoTCgx0cmFpbi/mjZ/lpLEV" +
      "AAAAQCtbKW0pAAAAAAAAADf/XwAJAAAQAN452kEQ/////////w8qFQoTCgx0cmFpbi/mjZ/lpLEVAACAf+Rxhaw4AAAAAAAAAKN5" +
      "fVcJAAAQAN452kEQASorCikKDnBpcGVraXQvdGFncy9hQg0IBxIEEgIIAUIDcmVkSggKBgoEdGV4dGPiLnk=",
  );
});

test("what is written is read again, whatever it is and wherever the file is cut", async () => {
  const point = fc.record({
    key: fc.string({ unit: "binary", minLength: 1, maxLength: 40 }),
    step: fc.maxSafeInteger(),
    value: fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY)),
    timeUs: fc.integer({ min: -1e15, max: 4e15 }),
  });
  const property = fc.asyncProperty(
    fc.array(point, { maxLength: 20 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    async (points, cut) => {
      const buffer = new RecordBuffer(1);
      const ends = points.map(({ key, step, value, timeUs }) => {
        addPoint(buffer, Buffer.from(key), step, value, timeUs);
        return buffer.at;
      });
      const bytes = buffer.written().subarray(0, Math.floor(buffer.at * cut));
      const { records, whole } = await recordsIn(bytes);
      expect(records).toHaveLength(ends.filter((end) => end <= bytes.length).length);
      expect(whole).toBe(ends.findLast((end) => end <= bytes.length) ?? 0);
      const counts = new Map<string, number>();
      await countPoints(join(folder, "events"), counts, never);
      expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(records.length);
    },
  );
  await fc.assert(property, { numRuns: 100 });
});

test("a flipped bit ends what is read", async () => {
  const buffer = new RecordBuffer(1);
  for (let step = 0; step < 3; step++) addPoint(buffer, Buffer.from("loss"), step + 1, step, 0);
  const second = buffer.at / 3;
  for (let bit = 0; bit < second * 8; bit += 5) {
    const bytes = Buffer.from(buffer.written());
    const at = second + (bit >> 3);
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at);
    expect((await recordsIn(bytes)).whole).toBe(second);
  }
});

test("tags are one to one with keys, and leave room for ours", () => {
  const keys = [
    "loss",
    "pipekit/run_id",
    "~pipekit/run_id",
    "_hparams_/experiment",
    "~~_hparams_/x",
    "~loss",
    "pipekit",
  ];
  const tags = keys.map(tagOf);
  expect(new Set(tags).size).toBe(keys.length);
  expect(tags.map(keyOf)).toEqual(keys);
  expect(keyOf("pipekit/run_id")).toBeUndefined();
  expect(tags.some((tag) => /^(pipekit\/|_hparams_\/)/.test(tag))).toBe(false);
});
