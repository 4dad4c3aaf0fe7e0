import { mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { never, storeText } from "../contract/registry-harness.ts";
import { type RemoteFixture, remoteFixture } from "../support/remote-registry.ts";
import { pkx } from "../support/terminal.ts";

let state: string;
let fixture: RemoteFixture;

beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), "pkx-cache-cli-"));
  await mkdir(join(state, "cache"));
  fixture = await remoteFixture({ cacheFolder: join(state, "cache") });
});
afterEach(async () => {
  await fixture.close();
  rmSync(state, { recursive: true, force: true });
});

const run = (...args: string[]) =>
  pkx(["models", "cache", ...args, "--state-dir", state], {
    env: { PKX_CACHE_GB: "1", PKX_CONFIG: "", XDG_CONFIG_HOME: state },
  });

test("an empty cache is told as empty", async () => {
  expect(await run()).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^0 files, 0 B of at most 954 MiB/),
  });
  expect(await run("clear")).toMatchObject({ code: 0, out: "0 files removed, 0 B freed.\n" });
});

test("what is in it is listed, and cleared but for what was handed out just now", async () => {
  const load = async (text: string) => {
    const hash = await storeText(fixture.registry, text);
    return fixture.registry.load(hash, { byPath: true, offset: 0 }, never);
  };
  const { model, weightsPath } = await load("weights");
  const listed = await run();
  expect(listed.out).toContain(model.weightsSha256.slice(0, 12));
  expect(listed.out).toContain("1 files, 7 B of at most");
  const document = JSON.parse((await run("list", "--json")).out);
  expect(document).toMatchObject({
    bytes: 7,
    limitBytes: 1e9,
    files: [{ sha256: model.weightsSha256, path: weightsPath, bytes: 7 }],
  });

  expect((await run("clear")).out).toContain("1 stay, since they were handed out just now");
  // Without what is remembered of its use, the time of its writing counts.
  rmSync(join(state, "cache", "verified.log"));
  utimesSync(weightsPath, new Date(0), new Date(0));
  await load("other weights");
  expect(JSON.parse((await run("clear", "--json")).out)).toMatchObject({ removed: 1, bytes: 7, left: 1 });
  expect((await run("clear", "--all")).out).toBe("1 files removed, 13 B freed.\n");
  expect(readdirSync(join(state, "cache"))).not.toContain("documents");
});
