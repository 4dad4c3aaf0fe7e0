/** The principal in the bytes of a tag: older daemons read them, and their own are read. */
import { expect, test } from "vitest";
import { decodeLog, decodeTag, encodeLog, encodeTag } from "../../daemon/registry/tag-file.ts";

const hash = "a".repeat(64);
const MOVE = {
  ...{ name: "production", seq: 2, hash, previousHash: "", actor: "ej@host", reason: "two\nlines" },
  ...{ atUs: 1_700_000_000_000_000, nonce: "n", principal: "release-bot", moveId: "" },
};

test("what was written before principals were recorded is read, with none", () => {
  const lines = [hash, "seq: 2", "prev: ", "actor: ej@host", "time: 2023-11-14T22:13:20.000Z", "nonce: n"];
  const tag = Buffer.from(`${[...lines, "reason: two\\nlines"].join("\n")}\n`);
  expect(decodeTag("production", tag)).toEqual({ ...MOVE, principal: "" });
  const { principal: _, ...entry } = JSON.parse(encodeLog(MOVE).toString());
  expect(decodeLog("production", Buffer.from(JSON.stringify(entry)))).toEqual({ ...MOVE, principal: "" });
});

test("the principal stands last, so that what older daemons look for is where it was", () => {
  const text = encodeTag(MOVE).toString();
  expect(text.split("\n").slice(-3)).toEqual(["reason: two\\nlines", "principal: release-bot", ""]);
  expect(decodeTag("production", Buffer.from(text))).toEqual(MOVE);
  expect(decodeLog("production", encodeLog(MOVE))).toEqual(MOVE);
});
