import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLog } from "../../daemon/lifecycle/index.ts";
import { temporaryHome } from "../support/daemon.ts";

let home: string;
let file: string;

beforeEach(() => {
  home = temporaryHome();
  file = join(home, "logs/daemon.log");
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

test("lines are JSON in a file for this user only, from the level on", () => {
  const log = createLog(file, "info");
  log.debug("unheard");
  log.info({ n: 1 }, "heard");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const lines = readFileSync(file, "utf8").trim().split("\n");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "info", msg: "heard", n: 1, pid: process.pid });
});

test("a full file is rotated, the oldest goes, no line is torn", () => {
  const log = createLog(file, "info", { maxBytes: 1000, files: 3 });
  for (let i = 0; i < 100; i++) log.info({ i }, "x".repeat(100));
  expect(readdirSync(join(home, "logs")).sort()).toEqual(["daemon.log", "daemon.log.1", "daemon.log.2"]);
  const numbers: number[] = [];
  for (const name of ["daemon.log.2", "daemon.log.1", "daemon.log"]) {
    const path = join(home, "logs", name);
    expect(statSync(path).size).toBeLessThanOrEqual(1000);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const line of readFileSync(path, "utf8").trim().split("\n")) numbers.push(JSON.parse(line).i);
  }
  const first = numbers[0] ?? 0;
  expect(first).toBeGreaterThan(70);
  expect(numbers).toEqual(Array.from({ length: 100 - first }, (_, i) => first + i));
});

test("a restart goes on with the file and its size", () => {
  const limits = { maxBytes: 1000, files: 2 };
  createLog(file, "info", limits).info("x".repeat(700));
  createLog(file, "info", limits).info("x".repeat(700));
  expect(readdirSync(join(home, "logs")).sort()).toEqual(["daemon.log", "daemon.log.1"]);
});

test("secrets are hidden: fields named like them, and passwords in URLs wherever they stand", () => {
  const log = createLog(file, "info");
  log.info(
    { token: "hunter2", deep: { list: [{ api_key: "hunter2" }] }, Authorization: "hunter2" },
    "fields",
  );
  log.warn({ err: new Error("GET http://user:hunter2@host/x failed") }, "see http://hunter2@host/");
  const text = readFileSync(file, "utf8");
  expect(text).not.toContain("hunter2");
  expect(text).toContain("http://[hidden]@host/x failed");
});
