import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pkx } from "../support/terminal.ts";

let home: string;
let log: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-logs-"));
  mkdirSync(join(home, "logs"));
  log = join(home, "logs/daemon.log");
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

function entry(level: string, msg: string, more = {}) {
  return `${JSON.stringify({ level, pid: 1, time: "2026-01-02T03:04:05.678Z", ...more, msg })}\n`;
}

const logs = (args: string[], options = {}) =>
  pkx(["logs", ...args], { env: { PKX_STATE_DIR: home }, ...options });

test("entries are shown for people, the last n, by level", async () => {
  writeFileSync(
    log,
    entry("debug", "one") +
      entry("warn", "two", { runId: "r", n: 3 }) +
      entry("error", "thrée", { err: { stack: "Error: x\n    at y" } }),
  );
  expect((await logs([])).out).toBe(
    [
      "2026-01-02T03:04:05.678Z DEBUG one",
      "2026-01-02T03:04:05.678Z WARN  two  runId=r n=3",
      "2026-01-02T03:04:05.678Z ERROR thrée",
      "Error: x",
      "    at y",
      "",
    ].join("\n"),
  );
  expect((await logs(["--level", "error", "-n", "5"])).out).toMatch(/^.* ERROR thrée/);
  expect((await logs(["-n", "1", "--json"])).out).toBe(
    entry("error", "thrée", { err: { stack: "Error: x\n    at y" } }),
  );
  expect((await logs(["-n", "0"])).out).toBe("");
});

test("a line that is no entry is shown as it is", async () => {
  writeFileSync(log, `not json\n${entry("info", "fine")}`);
  expect((await logs([])).out).toMatch(/^not json\n.*INFO {2}fine\n$/);
});

test("no log is a plain failure", async () => {
  expect(await logs([])).toMatchObject({ code: 2, err: expect.stringContaining("There is no log at") });
});

test("follow goes on over half lines and a rotation, and loses nothing", async () => {
  writeFileSync(log, entry("info", "old"));
  const abort = new AbortController();
  let seen = "";
  const following = logs(["-f"], {
    signal: abort.signal,
    onOut: (text: string) => {
      seen += text;
    },
  });
  const shows = (text: string) => vi.waitFor(() => expect(seen).toContain(text), { timeout: 5000 });
  await shows("old");
  const line = entry("info", "split in two");
  appendFileSync(log, line.slice(0, 30));
  appendFileSync(log, line.slice(30));
  await shows("split in two");
  appendFileSync(log, entry("info", "last of the old file"));
  renameSync(log, `${log}.1`);
  writeFileSync(log, entry("info", "first of the new file"));
  await shows("first of the new file");
  abort.abort();
  expect(await following).toMatchObject({ code: 130, err: "" });
  expect(seen.match(/INFO/g)).toHaveLength(4);
});
