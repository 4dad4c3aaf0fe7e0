/** What the image has, without an image. */
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
export const DEPLOY = join(ROOT, "daemon/deploy");

/** The ENV of the Dockerfile's last stage. */
export function imageEnvironment(): [string, string][] {
  const stage =
    readFileSync(join(DEPLOY, "docker/Dockerfile"), "utf8")
      .split(/^FROM /m)
      .at(-1) ?? "";
  const [, block = ""] = /^ENV ((?:.*\\\n)*.*)$/m.exec(stage) ?? [];
  return [...block.matchAll(/(\w+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]);
}

/** A bundle in a folder that every user can read; returns the path of pkx.mjs. */
export function makeBundle(folder: string): string {
  const out = join(folder, "bundle");
  execFileSync(process.execPath, [join(ROOT, "daemon/build.ts"), "--out", out], { stdio: "ignore" });
  chmodSync(folder, 0o755);
  execFileSync("chmod", ["-R", "a+rX", out]);
  return join(out, "pkx.mjs");
}
