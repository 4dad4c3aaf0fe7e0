import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openJournal } from "../../daemon/journal/index.ts";
import { StateLock } from "../../daemon/lifecycle/index.ts";
import { metrics, newId, start } from "../journal/fixture.ts";
import { pkx } from "../support/terminal.ts";

const FRAMES = 200;

let folder: string;

beforeEach(async () => {
  folder = join(mkdtempSync(join(tmpdir(), "pkx-journal-cli-")), "state");
  mkdirSync(folder, { mode: 0o700 });
  const journal = await openJournal({ stateFolder: folder, log: pino({ enabled: false }) });
  const [writerId, runId] = [newId(), newId()];
  await journal.append({ writerId, seq: 1, runId, records: [start()] }, []);
  for (let seq = 2; seq <= FRAMES; seq++) {
    const values = Array.from({ length: 200 }, (_, i) => seq + i);
    await journal.append({ writerId, seq, runId, records: [metrics({ loss: values })] }, []);
  }
  await journal.close();
});

afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

const run = (...args: string[]) => pkx([...args, "--state-dir", folder], { env: {} });
const file = () => join(folder, "journal.db");

function damage(): void {
  const bytes = readFileSync(file());
  bytes.fill(0xab, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 100);
  writeFileSync(file(), bytes);
}

test("a sound journal is told as sound", async () => {
  const { code, out } = await run("journal", "verify");
  expect(code).toBe(0);
  expect(out).toMatch(/^1 runs, 200 frames, 39,800 points\.\n/);
  expect(out).toContain("The journal is sound.");
});

test("a damaged journal is told, salvaged, and kept beside what was saved", async () => {
  damage();
  expect(await run("journal", "verify")).toMatchObject({
    code: 6,
    out: expect.stringContaining("pkx journal salvage"),
  });
  const salvaged = JSON.parse((await run("journal", "salvage", "--json")).out);
  expect(salvaged).toMatchObject({ runs: 1, frames: FRAMES - 1, lostFrames: [{}] });
  expect(existsSync(salvaged.damaged)).toBe(true);
  expect(await run("journal", "verify")).toMatchObject({ code: 0 });
});

test("a salvage that was killed before it put its work in place is finished by the next", async () => {
  damage();
  await run("journal", "salvage");
  const names = readdirSync(folder);
  const damaged = names.find((name) => name.includes(".damaged-")) ?? "";
  const saved = readFileSync(file());
  writeFileSync(`${file()}.salvaged`, saved);
  writeFileSync(file(), readFileSync(join(folder, damaged)));
  expect(await run("journal", "salvage")).toMatchObject({
    code: 0,
    out: expect.stringContaining("A salvage that was broken off is finished."),
  });
  expect(readFileSync(file())).toEqual(saved);
});

test("a journal in use, or none, is refused", async () => {
  const lock = StateLock.take(join(folder, "daemon.lock"));
  expect(await run("journal", "salvage")).toMatchObject({
    code: 2,
    err: expect.stringContaining("pkx stop"),
  });
  lock?.release();
  rmSync(file());
  expect(await run("journal", "verify")).toMatchObject({
    code: 2,
    err: expect.stringContaining("no journal"),
  });
});
