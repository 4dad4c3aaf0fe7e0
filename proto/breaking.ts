/** Compares the protos by `buf breaking` with the newest release tag, or before the first release with the last commit. */
import { execFileSync, spawnSync } from "node:child_process";

const tags = execFileSync("git", ["tag", "--list", "v*", "--sort=-version:refname"], { encoding: "utf8" });
const released = tags.split("\n")[0] ?? "";
const base = released === "" ? "HEAD" : released;
const { status } = spawnSync("buf", ["breaking", "--against", `.git#ref=${base}`], { stdio: "inherit" });
process.exitCode = status ?? 1;
