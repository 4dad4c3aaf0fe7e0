import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { SpecError } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FakeClearml, KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { newRun } from "./support.ts";

const NEVER = new AbortController().signal;

describe("a spec", () => {
  test.each([
    ["clearml+http://Host:8008/digits", "clearml+http://host:8008/digits"],
    ["CLEARML+HTTPS://api.x.org:443//team/ digits /", "clearml+https://api.x.org/team/digits"],
    ["clearml+http://h/team%2Fdigits", "clearml+http://h/team/digits"],
    ["clearml+http://h/t%C3%A9am%20a", "clearml+http://h/t%C3%A9am%20a"],
    ["clearml+http://h/digits?base=/api/", "clearml+http://h/digits?base=/api"],
    ["clearml://team/digits", "clearml://team/digits"],
    [
      "clearml+offline:///var//tmp/x/?project=team/digits",
      "clearml+offline:///var/tmp/x?project=team/digits",
    ],
    ["clearml+offline:///a%20b?project=d%C3%A9j%C3%A0", "clearml+offline:///a%20b?project=d%C3%A9j%C3%A0"],
    [
      "clearml+http://h/digits?secret_key=env:S&access_key=file:/a b&web=http://w:80/&files=https://f:8081",
      "clearml+http://h/digits?files=https://f:8081&web=http://w&access_key=file:/a%20b&secret_key=env:S",
    ],
  ])("%s is %s", (spec, canonical) => {
    expect(clearmlTracker.parse(spec)).toBe(canonical);
    expect(clearmlTracker.parse(canonical)).toBe(canonical);
  });

  test.each([
    ["clearml:/digits", /starts with/],
    ["clearml://", /no project/],
    ["clearml://ab", /fewer than 3/],
    ["clearml+http:///digits", /no host/],
    ["clearml+http://h", /no project/],
    ["clearml+http://h:99999/digits", /host or port/],
    ["clearml+http://h/digits#x", /#/],
    ["clearml+http://key:s3cret@h/digits", /credentials/],
    ["clearml+http://h/digits?access_key=s3cret&secret_key=env:B", /not a reference/],
    ["clearml+http://h/digits?access_key=env:A", /one half/],
    ["clearml+http://h/digits?s3cret=1", /unknown query key/],
    ["clearml+http://h/digits?base=/../x", /plain path/],
    ["clearml+http://h/digits?files=ftp://h", /http or https/],
    ["clearml+http://h/digits?files=http://u:s3cret@h", /http or https/],
    ["clearml+http://h/di%ZZgits", /percent-encoded/],
    ["clearml://digits?base=/api", /unknown query key/],
    ["clearml+offline://host/x?project=digits", /absolute/],
    ["clearml+offline:///x", /no project/],
    ["clearml+offline:///x?project=ab", /fewer than 3/],
    ["clearml+offline:///x/../y?project=digits", /\.\./],
  ])("%s is refused", (spec, message) => {
    const refusal = (() => {
      try {
        return clearmlTracker.parse(spec);
      } catch (error) {
        return error;
      }
    })();
    expect(refusal).toBeInstanceOf(SpecError);
    const { message: text, mend } = refusal as SpecError;
    expect(text).toMatch(message);
    expect(text + mend).not.toContain("s3cret");
    expect(mend.length).toBeGreaterThan(10);
  });

  test("sinks of one endpoint and credential share their throttle, whatever the project", () => {
    const key = (spec: string) => clearmlTracker.throttleKey(clearmlTracker.parse(spec));
    expect(key("clearml+http://h/one1")).toBe(key("clearml+http://H/two2"));
    expect(key("clearml+http://h/one1")).not.toBe(
      key("clearml+http://h/one1?access_key=env:A&secret_key=env:B"),
    );
    expect(key("clearml://one1")).toBe(key("clearml://two2"));
    expect(key("clearml+offline:///x?project=one1")).not.toBe(key("clearml+offline:///y?project=one1"));
  });
});

describe("servers and credentials", () => {
  let server: FakeClearml;
  let home: string;
  beforeAll(async () => {
    server = await startFakeClearml();
    home = mkdtempSync(join(tmpdir(), "pkx-clearml-home-"));
  });
  afterAll(async () => {
    await server.close();
    rmSync(home, { recursive: true, force: true });
  });
  const open = async (spec: string, env: Record<string, string> = {}) => {
    const context = { env, home, log: () => {} };
    const adapter = clearmlTracker.connect(clearmlTracker.parse(spec), context);
    return await adapter.open(newRun(), undefined, NEVER);
  };
  const conf = (text: string) => writeFileSync(join(home, "clearml.conf"), text);
  const own = () => `# ClearML SDK configuration file
api {
    # Notice: 'host' is the api server (default port 8008), not the web server.
    api_server: ${server.url}
    web_server: http://web.example:8080/
    files_server: "http://files.example:8081"
    credentials {"access_key": "\${PKX_ACCESS}", "secret_key": "wrong"}
    # credentials {
    credentials {
        "access_key" = "${KEYS.access}"
        secret_key = \${PKX_SECRET}  # from the environment
    }
}
`;

  test("come from clearml.conf as clearml-init writes it", async () => {
    conf(own().replace(/^ {4}credentials \{"access.*\n/m, ""));
    const opened = await open("clearml://demo", { PKX_SECRET: KEYS.secret });
    expect(opened).toMatchObject({
      status: "ok",
      remoteUrl: expect.stringMatching(/^http:\/\/web\.example:8080\//),
    });
    // The file's keys are for the file's server too when the spec names it, and for no other.
    const { host } = new URL(server.url);
    expect(await open(`clearml+http://${host}/demo`, { PKX_SECRET: KEYS.secret })).toMatchObject({
      status: "ok",
    });
    const other = await open("clearml+http://127.0.0.1:9/demo", { PKX_SECRET: KEYS.secret });
    expect(other).toMatchObject({
      status: "retry",
      reason: expect.stringContaining("no ClearML credentials"),
    });
  });

  test("of the environment come before those of clearml.conf", async () => {
    conf(`api {\n api_server: http://127.0.0.1:9\n credentials { \n access_key: "x"\n secret_key: "y" } }`);
    const env = {
      CLEARML_API_HOST: `${server.url}/`,
      CLEARML_API_ACCESS_KEY: KEYS.access,
      CLEARML_API_SECRET_KEY: KEYS.secret,
    };
    expect(await open("clearml://demo", env)).toMatchObject({ status: "ok" });
  });

  test("that are missing are named, and looked for again", async () => {
    conf("");
    expect(await open("clearml://demo")).toMatchObject({
      status: "retry",
      reason: expect.stringContaining("CLEARML_API_HOST"),
      afterMs: 60_000,
    });
    const { host } = new URL(server.url);
    const spec = `clearml+http://${host}/demo?access_key=env:PKX_A&secret_key=env:PKX_S`;
    const env: Record<string, string> = { PKX_A: KEYS.access };
    const adapter = clearmlTracker.connect(clearmlTracker.parse(spec), { env, home, log: () => {} });
    const run = newRun();
    const missing = await adapter.open(run, undefined, NEVER);
    expect(missing).toMatchObject({ status: "retry", reason: expect.stringContaining("PKX_S") });
    env["PKX_S"] = KEYS.secret;
    await expect
      .poll(() => adapter.open(run, undefined, NEVER), { timeout: 8000 })
      .toMatchObject({ status: "ok" });
  }, 10_000);
});
