/** What a hostile server makes of a sound answer. */
import fc from "fast-check";
import { mutated } from "./bytes.ts";

/** What happens to one answer. */
export type Twist =
  | { readonly kind: "none" }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "body"; readonly change: (sound: Buffer) => Buffer }
  | { readonly kind: "header"; readonly name: string; readonly value: string }
  /** Sent to another host. */
  | { readonly kind: "away"; readonly status: number }
  /** Bytes in the place of an answer. */
  | { readonly kind: "raw"; readonly bytes: Buffer }
  /** So many bytes that nobody wants, in chunks. */
  | { readonly kind: "flood" }
  /** A beginning, and nothing more. */
  | { readonly kind: "stall" };

const JSON_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  "",
  "x".repeat(70_000),
  "../..",
  [],
  {},
  [[]],
  { a: 1 },
  "NaN",
  "\ud800",
  "a\r\nb: c",
  "http://[",
  "ftp://host/x",
];

/** Other values in some places of a JSON body; other bodies are changed byte by byte. */
const otherValues = fc
  .array(fc.tuple(fc.nat(1000), fc.constantFrom(...JSON_VALUES, "drop", "repeat")), {
    minLength: 1,
    maxLength: 4,
  })
  .map((changes) => (sound: Buffer) => {
    let value: unknown;
    try {
      value = JSON.parse(sound.toString());
    } catch {
      return sound.subarray(0, sound.length / 2);
    }
    for (const [place, by] of changes) value = changed(value, place, by);
    return Buffer.from(JSON.stringify(value) ?? "");
  });

const otherBytes = fc
  .infiniteStream(fc.nat())
  .chain(() => mutated(fc.constant(Buffer.alloc(0))))
  .map(
    (noise) => (sound: Buffer) =>
      Buffer.concat([
        sound.subarray(0, Math.floor(sound.length / 2)),
        noise,
        sound.subarray(Math.floor(sound.length / 2)),
      ]),
  );
const wholeBodies = fc
  .oneof(
    fc.constantFrom(
      "",
      "null",
      "[]",
      "{}",
      '"',
      "<html>",
      "NaN",
      "[".repeat(50_000),
      `{"a":${"[".repeat(20_000)}`,
      "\ufeff{}",
      "1e999",
      "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    ),
    fc.json(),
    fc.string({ unit: "binary" }),
  )
  .map((text) => () => Buffer.from(text));
const halves = fc
  .double({ min: 0, max: 1, noNaN: true })
  .map((share) => (sound: Buffer) => sound.subarray(0, Math.floor(share * sound.length)));

const header = fc.constantFrom(
  ["retry-after", "-1"],
  ["retry-after", "9".repeat(40)],
  ["retry-after", "soon"],
  ["retry-after", "Thu, 01 Jan 1970 00:00:00 GMT"],
  ["content-type", "text/html"],
  ["content-type", "application/json; charset=utf-16"],
  ["content-encoding", "gzip"],
  ["location", "::"],
  ["etag", '"'],
  ["set-cookie", "a=b"],
  ["x-amz-checksum-sha256", "AAAA"],
  ["content-range", "bytes 5-1/0"],
  ["last-modified", "never"],
);
const statuses = fc.oneof(
  fc.constantFrom(
    100,
    103,
    204,
    206,
    300,
    304,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    410,
    412,
    413,
    416,
    417,
    418,
    422,
    425,
    429,
    500,
    501,
    502,
    503,
    504,
    599,
  ),
  fc.integer({ min: 200, max: 999 }),
);
const raw = fc.oneof(
  fc
    .constantFrom(
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n-5\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
      `HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(4000)}\r\n{}`,
      "HTTP/9.9 200 OK\r\n\r\n{}",
      "HTTP/1.1 2 OK\r\n\r\n",
      "\r\n\r\n",
      "SSH-2.0-OpenSSH\r\n",
      "",
    )
    .map((text) => Buffer.from(text)),
  mutated(
    fc.constant(
      Buffer.from("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
    ),
  ),
);

/** What may happen to an answer; half of all stay as they are. */
export const twist: fc.Arbitrary<Twist> = fc.oneof(
  { arbitrary: fc.constant({ kind: "none" as const }), weight: 10 },
  {
    arbitrary: fc
      .oneof(otherValues, otherValues, halves, wholeBodies, otherBytes)
      .map((change) => ({ kind: "body" as const, change })),
    weight: 6,
  },
  { arbitrary: statuses.map((status) => ({ kind: "status" as const, status })), weight: 2 },
  {
    arbitrary: header.map(([name = "", value = ""]) => ({ kind: "header" as const, name, value })),
    weight: 2,
  },
  {
    arbitrary: fc.constantFrom(301, 302, 303, 307, 308).map((status) => ({ kind: "away" as const, status })),
    weight: 2,
  },
  { arbitrary: raw.map((bytes) => ({ kind: "raw" as const, bytes })), weight: 2 },
  { arbitrary: fc.constant({ kind: "stall" as const }), weight: 1 },
);

function changed(value: unknown, place: number, by: unknown): unknown {
  if (typeof value !== "object" || value === null) return by;
  const keys = Object.keys(value);
  const key = keys[place % Math.max(1, keys.length)];
  if (key === undefined) return by;
  const copy = structuredClone(value) as Record<string, unknown>;
  const deeper = copy[key];
  if (by === "drop") {
    if (Array.isArray(copy)) copy.splice(Number(key), 1);
    else delete copy[key];
  } else if (by === "repeat" && Array.isArray(copy)) copy.push(...Array(50).fill(deeper));
  else
    copy[key] =
      place % 3 === 0 && typeof deeper !== "object" ? by : changed(deeper, Math.floor(place / 3), by);
  return copy;
}
