/** What a verification finds besides damaged bytes, and what a quick one can find. */
import { chmod, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Registry } from "../../daemon/registry/index.ts";
import {
  inProcess,
  move,
  never,
  newModel,
  type RegistryFixture,
  registriesAt,
  storeText,
  streamOf,
} from "../contract/registry-harness.ts";
import { DyingRegistry } from "../support/dying-registry.ts";

let fixture: RegistryFixture;
let registry: Registry;
let a: string;
let b: string;

beforeEach(async () => {
  fixture = await inProcess();
  registry = fixture.registry;
  a = await storeText(registry, "weights of a", { previewJson: "[1]" });
  b = await storeText(registry, "weights of b");
  await registry.tag(move("prod", a), never);
  await registry.tag(move("prod", b, { force: true }), never);
  await registry.tag(move("prod", a, { force: true }), never);
});
afterEach(() => fixture.close());

const file = (...path: string[]): string => join(fixture.root, ...path);

async function found(quick: boolean, of = registry): Promise<Record<string, string[]>> {
  const findings = await Array.fromAsync(of.verify([], never, { quick }));
  return Object.fromEntries(
    findings.filter(({ problems }) => problems.length > 0).map(({ hash, problems }) => [hash, problems]),
  );
}

async function overwrite(path: string, change: (text: string) => string): Promise<void> {
  await chmod(path, 0o600);
  await writeFile(path, change(await readFile(path, "utf8")));
}

test.each([false, true])("nothing in a sound registry, quick: %s", async (quick) => {
  await registry.deleteTag({ name: "prod", expectedHash: "", actor: "", reason: "" }, never);
  expect(await found(quick)).toEqual({});
});

test("quickly: sizes and small files, and no flipped byte of the weights", async () => {
  await overwrite(file(a, "weights.bin"), (text) => text.replace("w", "W"));
  expect(await found(true)).toEqual({});
  expect(await found(false)).toEqual({ [a]: [expect.stringContaining("weights.bin has the SHA-256")] });
  await truncate(file(a, "weights.bin"), 3);
  await overwrite(file(b, "operator.yaml"), (text) => text.replace("m", "M"));
  expect(await found(true)).toEqual({
    [a]: ["weights.bin has 3 bytes and should have 12."],
    [b]: [expect.stringContaining("operator.yaml has the SHA-256")],
  });
  await rm(file(a, "weights.bin"));
  expect((await found(true))[a]).toEqual(["weights.bin is missing."]);
});

test("quickly: a checksum that the backend keeps", async () => {
  const kind = new DyingRegistry();
  kind.info = (info) => (info.key.endsWith("weights.bin") ? { ...info, sha256: "0".repeat(64) } : info);
  const place = { kinds: [kind], env: process.env };
  const other = await registriesAt(place, registry.spec, fixture.staging).open("");
  expect(Object.keys(await found(true, other)).sort()).toEqual([a, b].sort());
  expect(await found(false, other)).toEqual({});
});

test.each([false, true])("a file that is none of the model's, quick: %s", async (quick) => {
  await writeFile(file(a, "notes.txt"), "mine");
  await writeFile(file(b, "preview.json"), "[1]");
  expect(await found(quick)).toEqual({
    [a]: ["`notes.txt` lies in its folder and is none of its files."],
    [b]: ["`preview.json` lies in its folder and is none of its files."],
  });
  const one = await Array.fromAsync(registry.verify([a], never, { quick }));
  expect(one[0]?.problems).toHaveLength(1);
});

test("remains of a store once they are old", async () => {
  const { model } = await registry.store(newModel({ weights: streamOf("c") }), never);
  await rm(file(model.hash, "metadata.json"));
  expect(await found(true)).toEqual({});
  for (const name of ["weights.bin", "operator.yaml"]) await utimes(file(model.hash, name), 1e9, 1e9);
  expect(await found(true)).toEqual({
    [model.hash]: [expect.stringMatching(/^Files of a store that never ended lie here since 2001-09-09/)],
  });
});

test.each([false, true])("tags and histories, quick: %s", async (quick) => {
  await registry.tag(move("second", a), never);
  await registry.tag(move("third", a), never);
  await rm(file("_log/prod/000000000002.json"));
  await overwrite(file("_tags/second.txt"), (text) => text.slice(0, -5));
  await rm(file("_tags/third.txt"));
  await writeFile(file("_log/prod/notes.txt"), "mine");
  expect(await found(quick)).toEqual({
    "": [
      "`_log/prod/notes.txt` is no log entry of a tag.",
      "The history of `prod` lacks the moves 2.",
      "`_tags/second.txt` is damaged.",
      "`_log/third/` is the history of a tag that is not there.",
    ],
  });
});

test("log entries that are damaged, or tell of something else", async () => {
  await overwrite(file("_log/prod/000000000001.json"), (text) => text.slice(0, 30));
  await overwrite(file("_log/prod/000000000002.json"), (text) => text.replaceAll(a, "0".repeat(64)));
  await overwrite(file("_log/prod/000000000003.json"), (text) =>
    text.replace(/"nonce":"."/, '"nonce":"x"').replace(/"nonce":"[^"]*"/, '"nonce":"other"'),
  );
  expect((await found(false))[""]).toEqual([
    "`_log/prod/000000000001.json` is damaged.",
    expect.stringContaining("`_log/prod/000000000003.json` tells of another move than the tag `prod`"),
  ]);
  expect((await found(true))[""]).toHaveLength(1);
});

test("a move that does not follow from the one before", async () => {
  await overwrite(file("_log/prod/000000000002.json"), (text) => text.replaceAll(b, "0".repeat(64)));
  expect(await found(false)).toEqual({
    "": ["`_log/prod/000000000003.json` does not follow from the move before it."],
  });
  expect(await found(true)).toEqual({});
});

test("a tag whose last move is not logged yet is sound, and one without its model is not", async () => {
  await rm(file("_log/prod/000000000003.json"));
  expect(await found(false)).toEqual({});
  await rm(file(a, "metadata.json"));
  expect(await found(true)).toEqual({ [a]: ["A tag points to it, but its metadata.json is missing."] });
});

test("what the backend's own books say otherwise", async () => {
  const kind = new DyingRegistry();
  kind.differences = ["The alias `prod` was moved by somebody."];
  const place = { kinds: [kind], env: process.env };
  const other = await registriesAt(place, registry.spec, fixture.staging).open("");
  expect(await found(true, other)).toEqual({ "": ["The alias `prod` was moved by somebody."] });
  const [finding] = await Array.fromAsync(other.verify([a], never));
  expect(finding).toMatchObject({ hash: a, problems: [] });
});
