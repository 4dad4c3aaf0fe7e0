/** Formats against DVC's own libraries: one process answers batches of random cases. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ignored } from "../../adapters/dvc/ignored.ts";
import { parseIni } from "../../adapters/dvc/ini.ts";
import { byPath, formatListing, listingHash, parseListing } from "../../adapters/dvc/listing.ts";
import { keyWithText } from "../../adapters/dvc/yaml-text.ts";
import { type PythonReader, startPythonReader } from "../support/python-reader.ts";
import { faultOf } from "./room.ts";

let python: PythonReader;

beforeAll(() => {
  python = startPythonReader("test/dvc/formats.py");
});
afterAll(() => python.close());

const ask = async (what: string, items: readonly unknown[]): Promise<unknown[]> =>
  (await python.ask({ what, items })) as unknown[];

/** Names as file systems have them, of all planes of Unicode and with what JSON escapes. */
const name = fc
  .string({ unit: "binary", minLength: 1, maxLength: 8 })
  .filter((text) => text.isWellFormed() && !/[/\0]/.test(text) && text !== "." && text !== "..");
const relpath = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const entries = fc.uniqueArray(fc.record({ md5: fc.stringMatching(/^[0-9a-f]{32}$/), relpath }), {
  selector: (entry) => entry.relpath,
  maxLength: 6,
});

test("a listing has the bytes that Python's json.dumps writes", async () => {
  const lists = fc.sample(entries, 400);
  const theirs = await ask("listings", lists);
  expect(lists.map((list) => formatListing(list).toString("latin1"))).toEqual(theirs);
  for (const list of lists) {
    const sorted = list.toSorted(byPath);
    expect(parseListing(formatListing(list), "x")).toEqual(sorted);
  }
});

test("the listing of the golden vector has its hash", () => {
  const golden: readonly { entries: { md5: string; relpath: string }[]; text: string; hash: string }[] =
    JSON.parse(readFileSync(join(import.meta.dirname, "../golden/dvc-listings.json"), "utf8"));
  for (const { entries: list, text, hash } of golden) {
    expect(formatListing(list).toString("latin1")).toBe(text);
    expect(listingHash(formatListing(list))).toBe(hash);
  }
});

test.each([
  "",
  "{}",
  "[1]",
  '[{"md5": "x", "relpath": "a"}]',
  '[{"md5": "acbd18db4cc2f85cedef654fccc4a4d8", "relpath": "../a"}]',
  '[{"md5": "acbd18db4cc2f85cedef654fccc4a4d8", "relpath": "/a"}]',
  '[{"md5": "acbd18db4cc2f85cedef654fccc4a4d8", "relpath": "a/../../b"}]',
])("a listing of %j is refused, and named", async (text) => {
  const fault = await faultOf(
    Promise.resolve().then(() => parseListing(Buffer.from(text), "/cache/ab/cd.dir")),
  );
  expect(fault).toMatchObject({ kind: "corrupt", field: "/cache/ab/cd.dir" });
});

test("a path is written as ruamel writes it", async () => {
  const text = fc.oneof(
    name,
    fc.string({ minLength: 1, maxLength: 8 }),
    fc.stringMatching(/^[0-9eE_.+:xob-]{1,12}$/),
    fc.stringMatching(/^[a-z #:-]{1,130}$/),
    fc.stringMatching(/^[a-zé ]{60,130}$/),
    fc.stringMatching(/^[0-9e]{32}$/),
    fc.constantFrom("true", "Null", "~", "=", "<<", "2020-01-01", "1e3", ".inf", "0x1f", "-", "?", ":"),
  );
  // Line ends that are none of ASCII are escaped by us; ruamel breaks the line there.
  const texts = fc.sample(text, 1500).filter((one) => !/[\x85\u2028\u2029]/.test(one));
  const theirs = await ask("yaml", texts);
  const same = texts.map((one) => `outs:\n- ${keyWithText("path", one, 2).slice(2)}\n`);
  // A long text in double quotes is folded there and not here.
  for (const [index, one] of same.entries())
    if (!one.includes('"') || one.length < 80) expect(one).toBe(theirs[index]);
});

test("ignore files leave out what DVC's leave out", async () => {
  const piece = fc.constantFrom(
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "[ab]",
    "[!a]",
    "[^b]",
    "a*",
    "*.b",
    "\\*",
    "[a-",
    "\\",
    " ",
  );
  const line = fc
    .tuple(
      fc.constantFrom("", "!", "/", "!/", "#"),
      fc.array(piece, { minLength: 1, maxLength: 3 }),
      fc.constantFrom("", "/"),
    )
    .map(([head, parts, tail]) => head + parts.join("/") + tail)
    .map((text) => text.trim());
  const path = fc
    .array(fc.constantFrom("a", "b", "ab", "a.b", "c"), { minLength: 1, maxLength: 4 })
    .map((p) => p.join("/"));
  const cases = fc.sample(
    fc.record({
      lines: fc.array(line, { minLength: 1, maxLength: 4 }),
      paths: fc.array(path, { minLength: 8, maxLength: 8 }),
      folders: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    }),
    1500,
  );
  const theirs = (await ask("ignored", cases)) as boolean[][];
  // Old releases (3.30) take stars and a slash for every folder, as Git does, and what `!` says for other paths as well.
  const probe = { lines: ["*/"], paths: ["a"], folders: [true] };
  const [[isOld = false] = []] = (await ask("ignored", [probe])) as boolean[][];
  let compared = 0;
  for (const [index, { lines, paths, folders }] of cases.entries()) {
    // An escape that ends a line makes DVC fail; Git throws the line away, and so do we.
    if (theirs[index]?.length === 0) continue;
    if (isOld && lines.some((one) => /^!|(^|\/)\*+\/$/.test(one))) continue;
    const ignored = new Ignored({ root: "/root", fileName: ".none", lines });
    const ours = paths.map((one, at) => ignored.has(`/root/${one}`, folders[at] ?? false));
    expect({ lines, paths, folders, verdicts: ours }).toEqual({
      lines,
      paths,
      folders,
      verdicts: theirs[index],
    });
    compared++;
  }
  expect(compared).toBeGreaterThan(isOld ? 300 : 1000);
});

test("settings are read as configobj reads them", async () => {
  const texts = [
    "[core]\n    remote = s3\n    autostage = true\n['remote \"s3\"']\n    url = s3://b/p\n",
    '# note\n[cache]\ntype = "reflink,copy"\ndir = "a b # c"  # why\n',
    "[cache]\n  type = reflink, hardlink , 'copy'\n\n[ core ] # x\nremote=\n",
    "['remote \"a, b\"']\nurl = '/x = y'\nkey = va'lue\n",
  ];
  const theirs = (await ask("config", texts)) as Record<string, Record<string, string | string[]>>[];
  for (const [index, text] of texts.entries()) {
    const ours = [...parseIni(text, "config")].filter(([, pairs]) => pairs.size > 0);
    const joined = Object.entries(theirs[index] ?? {}).map(([section, pairs]) => [
      section,
      Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key, [value].flat().join(",")])),
    ]);
    expect(ours.map(([section, pairs]) => [section, Object.fromEntries(pairs)])).toEqual(joined);
  }
});

test("a line of settings that says nothing is named", async () => {
  const fault = await faultOf(Promise.resolve().then(() => parseIni("[core]\nremote\n", "/r/.dvc/config")));
  expect(fault).toMatchObject({ kind: "corrupt", field: "/r/.dvc/config" });
  expect(fault.message).toContain("Line 2");
});

test("an ignore file further down says the last word, except below what is ignored", () => {
  const root = mkdtempSync(join(tmpdir(), "pkx-ignored-"));
  writeFileSync(join(root, ".dvcignore"), "*.tmp\n/out/\n");
  const ignored = new Ignored({ root, fileName: ".dvcignore", lines: [] });
  expect(ignored.has(join(root, "a.tmp"), false)).toBe(true);
  expect(ignored.has(join(root, "out"), true)).toBe(true);
  expect(ignored.has(join(root, "out"), false)).toBe(false);
  expect(ignored.has(join(root, "out/deep/a"), false)).toBe(true);
  expect(ignored.has(join(root, ".."), true)).toBe(false);
  rmSync(root, { recursive: true });
});
