import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Frame, FrameParser, MAX_MESSAGE } from "../../daemon/editor/wire/framing.ts";
import { framed } from "../support/editor-client.ts";

/** Feeds bytes cut at the places given. */
function read(bytes: Buffer, cuts: readonly number[] = []): Frame[] {
  const parser = new FrameParser();
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).flatMap((end, i) => [...parser.push(bytes.subarray(places[i], end))]);
}

const values = (frames: readonly Frame[]) => frames.flatMap((it) => ("value" in it ? [it.value] : []));
const faults = (frames: readonly Frame[]) => frames.flatMap((it) => ("fault" in it ? [it.fault] : []));

const message = fc
  .record({ id: fc.nat(), text: fc.string({ unit: "binary" }), more: fc.jsonValue() })
  .map((it) => JSON.parse(JSON.stringify(it)) as unknown);
const cuts = fc.array(fc.nat(100_000), { maxLength: 12 });

/** Bytes that are no message: garbage, lies, halves. */
const garbage = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((it) => Buffer.from(it)),
  fc.uint8Array({ minLength: 9000, maxLength: 12_000 }).map((it) => Buffer.from(it)),
  fc.string().map((it) => Buffer.from(it, "utf16le")),
  fc
    .tuple(
      fc.constantFrom("-5", "", "x", "0", "1", "7", "40", "300", "99999999", "9".repeat(30), "1e3"),
      fc.string(),
    )
    .map(([length, body]) => Buffer.from(`Content-Length: ${length}\r\n\r\n${body}`)),
  fc
    .constantFrom(
      "\r\n\r\n",
      "Content-Length: 9\r\nContent-",
      "Content-Length\r\n\r\n",
      "Content-Type: x\r\n\r\n{}",
      "\n\n",
    )
    .map((it) => Buffer.from(it)),
  // Half a message.
  message.map((it) => framed(it)).map((it) => it.subarray(0, Math.floor(it.length / 2))),
);

/** Whether garbage happens to hold a message of its own, such as the body `7`. */
const isObject = (value: unknown) => typeof value === "object" && value !== null && "more" in value;

describe("framing", () => {
  test("messages come out as they went in, however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), cuts, (messages, at) => {
        const frames = read(Buffer.concat(messages.map(framed)), at);
        expect(frames).toEqual(messages.map((value) => ({ value })));
      }),
    );
  });

  test("no message is lost to garbage before it", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(garbage, message), { maxLength: 6 }), cuts, (pairs, at) => {
        const bytes = Buffer.concat(pairs.flatMap(([junk, it]) => [junk, framed(it)]));
        expect(values(read(bytes, at)).filter(isObject)).toEqual(pairs.map(([, it]) => it));
      }),
      { numRuns: 1000 },
    );
  });

  test("header names in any case, other fields, and bytes that are not UTF-8", () => {
    const body = Buffer.from([0x22, 0xff, 0x41, 0x22]);
    const head = "content-length: 4\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n";
    expect(read(Buffer.concat([Buffer.from(head), body]))).toEqual([{ value: "\ufffdA" }]);
  });

  test("a message that is too long is refused, passed over, and never kept", () => {
    const parser = new FrameParser();
    const length = MAX_MESSAGE + 1;
    expect(faults([...parser.push(Buffer.from(`Content-Length: ${length}\r\n\r\n`))])).toEqual(["size"]);
    const chunk = Buffer.alloc(1 << 20, "a");
    for (let left = length; left > 0; left -= chunk.length) {
      expect([...parser.push(chunk.subarray(0, Math.min(left, chunk.length)))]).toEqual([]);
    }
    expect([...parser.push(framed({ after: 1 }))]).toEqual([{ value: { after: 1 } }]);
  });

  test("a length that lies costs no other message", () => {
    const head = Buffer.from("Content-Length: 99999999999\r\n\r\n{}");
    expect(read(Buffer.concat([head, framed([1])]))).toEqual([
      { fault: "size", reason: expect.any(String) },
      { value: [1] },
    ]);
  });

  test("garbage is told once, not once a chunk", () => {
    const parser = new FrameParser();
    const frames = Array.from({ length: 50 }, () => [...parser.push(Buffer.alloc(4000, 0))]).flat();
    expect(faults(frames)).toEqual(["syntax"]);
  });
});
