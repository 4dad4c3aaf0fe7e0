/** Compares the protos with those of the newest release tag by `buf breaking`; passes while nothing is released. */
import { execFileSync, spawnSync } from "node:child_process";

const tags = execFileSync("git", ["tag", "--list", "v*", "--sort=-version:refname"], { encoding: "utf8" });
const released = tags.split("\n")[0] ?? "";
// Before the first release the wire may still change with any commit that is not yet on main's parent.
const base = released === "" ? "HEAD" : released;
const { status } = spawnSync("buf", ["breaking", "--against", `.git#ref=${base}`], { stdio: "inherit" });
process.exitCode = status ?? 1;
