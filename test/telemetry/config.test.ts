import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfig } from "../../daemon/config/index.ts";

const TOKEN = "token-of-metrics-0123";

let folder: string;
let tokenFile: string;
let env: { readonly [name: string]: string };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-"));
  tokenFile = join(folder, "token");
  writeFileSync(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  env = { XDG_CONFIG_HOME: folder, COLLECTOR_KEY: "key-of-the-collector" };
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The config with these lines in its file. */
async function load(lines: string, more: { readonly [name: string]: string } = {}) {
  const config = join(folder, "config.yaml");
  writeFileSync(config, lines);
  return (await loadConfig({ config }, { ...env, ...more })).telemetry;
}

test("nothing is on by default", async () => {
  expect(await load("")).toBeUndefined();
  expect(await load("", { PKX_TRACE_RATIO: "0" })).toBeUndefined();
});

test("the page, its token, the endpoint and its headers", async () => {
  const telemetry = await load(
    `
metrics_listen: "[::1]:9464"
metrics_token_file: ${tokenFile}
otlp_endpoint: https://collector.example/base/
otlp_headers: { authorization: "file:${tokenFile}", x-key: "env:COLLECTOR_KEY" }
`,
    { PKX_OTLP_INTERVAL_S: "5", PKX_TRACE_RATIO: "0.25" },
  );
  expect(telemetry).toMatchObject({
    metrics: { host: "::1", port: 9464 },
    otlp: { endpoint: "https://collector.example/base", intervalMs: 5000 },
    traceRatio: 0.25,
  });
  expect(await telemetry?.otlp?.headers()).toEqual({ authorization: TOKEN, "x-key": "key-of-the-collector" });
  expect(await telemetry?.metrics?.isToken?.(TOKEN)).toBe(true);
  expect(await telemetry?.metrics?.isToken?.(`${TOKEN}x`)).toBe(false);
});

test("a token is changed without a restart, and one that is gone lets nobody in", async () => {
  const telemetry = await load(`metrics_listen: 127.0.0.1:9464\nmetrics_token_file: ${tokenFile}\n`);
  const isToken = telemetry?.metrics?.isToken;
  try {
    writeFileSync(tokenFile, "another-token-4567");
    expect([await isToken?.(TOKEN), await isToken?.("another-token-4567")]).toEqual([false, true]);
    for (const nothing of ["", "\n"]) {
      writeFileSync(tokenFile, nothing);
      expect([await isToken?.(""), await isToken?.(TOKEN)]).toEqual([false, false]);
    }
    rmSync(tokenFile);
    expect([await isToken?.(""), await isToken?.(TOKEN)]).toEqual([false, false]);
  } finally {
    writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  }
});

test.each([
  ["metrics_listen: 127.0.0.1", "metrics_listen"],
  ["metrics_listen: 127.0.0.1:70000", "metrics_listen"],
  ["metrics_token_file: /a", "metrics_token_file"],
  ["metrics_listen: 127.0.0.1:1\nmetrics_token_file: /no/such", "metrics_token_file"],
  ["otlp_endpoint: collector:4317", "otlp_endpoint"],
  ["otlp_endpoint: http://user:secret-word@host", "otlp_endpoint"],
  ["otlp_endpoint: http://host/?key=secret-word", "otlp_endpoint"],
  ["otlp_headers: { a: env:COLLECTOR_KEY }", "otlp_headers"],
  ["otlp_endpoint: http://host\notlp_headers: { a: secret-word }", "otlp_headers.a"],
  ["otlp_endpoint: http://host\notlp_headers: { a: env:NOT_SET }", "otlp_headers.a"],
  ["otlp_endpoint: http://host\notlp_headers: { a: file:relative }", "otlp_headers.a"],
  ['otlp_endpoint: http://host\notlp_headers: { "a b": env:COLLECTOR_KEY }', "otlp_headers"],
  ["otlp_interval_s: 5", "otlp_interval_s"],
  ["trace_ratio: 0.5", "trace_ratio"],
  ["otlp_endpoint: http://host\ntrace_ratio: 1.5", "trace_ratio"],
])("%j is refused, and what it holds is not repeated", async (lines, field) => {
  const error = await load(lines).catch((e: unknown) => e);
  if (!(error instanceof PipekitError)) throw new Error("no failure");
  expect(error).toMatchObject({ code: "INVALID_DAEMON_CONFIG", field });
  expect(`${error.message} ${error.mend}`).not.toMatch(/secret-word|key-of-the-collector/);
});

test("a secret that others can read is refused", async () => {
  chmodSync(tokenFile, 0o644);
  try {
    const page = load(`metrics_listen: 127.0.0.1:1\nmetrics_token_file: ${tokenFile}`);
    await expect(page).rejects.toMatchObject({ field: "metrics_token_file" });
    const header = load(`otlp_endpoint: http://host\notlp_headers: { a: "file:${tokenFile}" }`);
    await expect(header).rejects.toMatchObject({ field: "otlp_headers.a" });
  } finally {
    chmodSync(tokenFile, 0o600);
  }
});
