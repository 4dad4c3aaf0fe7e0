/** Dockerfiles, the Compose file and the unit by their own linters, and what they must say whatever the linters think. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { DEPLOY } from "./image.ts";
import { findTool, run } from "./tool-check.ts";

const hadolint = findTool("hadolint");
const analyze = findTool("systemd-analyze");

test.skipIf(hadolint === undefined)("the Dockerfiles are ones by hadolint", () => {
  const files = ["docker/Dockerfile", "compose/mlflow.Dockerfile"].map((path) => join(DEPLOY, path));
  run(hadolint ?? "", ["--failure-threshold", "style", ...files]);
});

test("the image has a user, a health check and no secret, and its context leaves secrets out", () => {
  const text = readFileSync(join(DEPLOY, "docker/Dockerfile"), "utf8");
  const last = text.split(/^FROM /m).at(-1) ?? "";
  expect(last).toMatch(/^USER 10001:10001$/m);
  expect(last).toMatch(/^HEALTHCHECK .*CMD \["pkx", "health"\]$/m);
  expect(text.replaceAll(/^#.*$/gm, "")).not.toMatch(/token|password|secret|api_key/i);
  const ignored = readFileSync(join(DEPLOY, "docker/Dockerfile.dockerignore"), "utf8").split("\n");
  expect(ignored[1]).toBe("*");
  expect(ignored.slice(-5, -1)).toEqual(["**/dist", "**/.env", "**/*.pem", "**/*.key"]);
});

test("the Compose file is closed: no secret in it, users, read-only roots", () => {
  const { services } = parse(readFileSync(join(DEPLOY, "compose/compose.yaml"), "utf8"));
  expect(Object.keys(services)).toEqual(["mlflow", "seaweedfs", "proofs", "pkx"]);
  for (const name of ["proofs", "pkx"])
    expect(services[name]).toMatchObject({ read_only: true, cap_drop: ["ALL"] });
  const given = Object.entries<string>({ ...services.pkx.environment, ...services.seaweedfs.environment });
  for (const [name, value] of given)
    if (/KEY/.test(name) && !/TLS/.test(name)) expect(value).toMatch(/^\$\{\w+:\?/);
});

test.skipIf(analyze === undefined)("the unit is one by systemd-analyze", () => {
  const home = mkdtempSync(join(tmpdir(), "pkx-"));
  const bin = join(home, ".local/bin");
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(home, "run"), { mode: 0o700 });
  cpSync("/bin/true", join(bin, "pkx"));
  const unit = join(DEPLOY, "systemd/pipekit-experiment.service");
  const env = { ...process.env, HOME: home, XDG_RUNTIME_DIR: join(home, "run") };
  expect(run(analyze ?? "", ["verify", "--user", unit], "", env)).toBe("");
  rmSync(home, { recursive: true, force: true });
});
