import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { type CliOptions, pkx } from "../support/terminal.ts";
import { ask, letIn, openEvents } from "./http.ts";

const ADDRESS = /http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}/g;

let daemon: TestDaemon;
let folder = "";

beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** `pkx ui` that is running: its addresses so far, its keys, and its end. */
function running(args: readonly string[], options: Partial<CliOptions> = {}) {
  const stop = new AbortController();
  let out = "";
  let press: (key: string) => void = () => undefined;
  const result = pkx(["ui", ...args], {
    env: daemon.clientEnv,
    signal: stop.signal,
    onOut: (text) => {
      out += text;
    },
    onKey: (listener) => {
      press = listener;
      return () => undefined;
    },
    ...options,
  });
  const addresses = async (count: number) => {
    await expect.poll(() => out.match(ADDRESS)?.length, { timeout: 20_000 }).toBe(count);
    return out.match(ADDRESS) ?? [];
  };
  return { result, addresses, press: (key: string) => press(key), stop: () => stop.abort() };
}

/** The answer to a request of the page at an address. */
async function asked(address: string, method: string, params: unknown): Promise<unknown> {
  const { port, origin } = new URL(address);
  const cookie = await letIn(address);
  await using events = await openEvents(Number(port), cookie);
  const { text } = await ask(Number(port), "/request", {
    method: "POST",
    headers: { cookie, origin, "content-type": "application/json" },
    body: JSON.stringify({ session: events.session, method, params }),
  });
  return JSON.parse(text);
}

test("it prints an address, another at n, and ends at q", async () => {
  const ui = running(["--no-open"]);
  const [first = ""] = await ui.addresses(1);
  expect(await asked(first, "pipekit/runs", {})).toMatchObject({ result: { runs: [], total: 0 } });
  ui.press("n");
  const [, second = ""] = await ui.addresses(2);
  expect(second).not.toBe(first);
  expect(await asked(second, "pipekit/daemon", {})).toMatchObject({
    result: { state: "connected", mayChange: true },
  });
  ui.press("q");
  expect(await ui.result).toMatchObject({ code: 0, err: "" });
  expect((await ui.result).out).toContain("The page has ended.");
  await expect(ask(Number(new URL(first).port), "/")).rejects.toThrow("ECONNREFUSED");
});

test("Ctrl-C ends it, also while a page is open, and --json prints one line", async () => {
  const port = await freePort();
  const ui = running(["--json", "--port", String(port)]);
  const [address = ""] = await ui.addresses(1);
  expect(new URL(address).port).toBe(String(port));
  await using events = await openEvents(port, await letIn(address));
  ui.stop();
  await events.ended;
  expect(await ui.result).toEqual({ code: 0, out: `{"url":"${address}"}\n`, err: "" });
});

test("--read-only changes nothing", async () => {
  const ui = running(["--json", "--read-only"]);
  const [address = ""] = await ui.addresses(1);
  const answer = await asked(address, "pipekit/promote", {
    ref: "a".repeat(64),
    tag: "production",
    expectedHash: "",
  });
  expect(answer).toMatchObject({ error: { mend: expect.stringContaining("read-only") } });
  ui.stop();
  await ui.result;
});

test("a port that is no port, or taken, is told", async () => {
  expect(await running(["--port", "70000"]).result).toMatchObject({ code: 2, out: "" });
  const first = running(["--json"]);
  const [address = ""] = await first.addresses(1);
  const second = await running(["--json", "--port", new URL(address).port]).result;
  expect(second.code).toBe(2);
  expect(JSON.parse(second.err)).toMatchObject({ error: { code: "INVALID_ARGUMENT", field: "port" } });
  first.stop();
  await first.result;
});

test("over ssh it says how to come in, and opens nothing", async () => {
  const ui = running(["--port", "0"], {
    isTerminal: true,
    env: { ...daemon.clientEnv, DISPLAY: ":10", SSH_CONNECTION: "x", PATH: folder },
  });
  const [address = ""] = await ui.addresses(1);
  ui.press("q");
  const { port } = new URL(address);
  expect((await ui.result).out).toContain(`ssh -L ${port}:127.0.0.1:${port} HOST`);
});

test("where there is a display a browser opens, and no process list tells the address", async () => {
  const opened = join(folder, "opened");
  const opener = join(folder, "bin/xdg-open");
  mkdirSync(join(folder, "bin"));
  writeFileSync(opener, `#!/bin/sh\necho "$@" > ${opened}.new && mv ${opened}.new ${opened}\n`);
  chmodSync(opener, 0o755);
  const path = [join(folder, "bin"), process.env["PATH"]].join(delimiter);
  const ui = running([], { isTerminal: true, env: { ...daemon.clientEnv, DISPLAY: ":0", PATH: path } });
  const [address = ""] = await ui.addresses(1);
  await expect.poll(() => existsSync(opened)).toBe(true);
  const file = readFileSync(opened, "utf8").trim();
  expect(file).not.toContain("token");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toContain(`url=${address}"`);
  ui.press("q");
  await ui.result;
  expect(existsSync(file)).toBe(false);
});
