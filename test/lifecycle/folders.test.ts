import { chmodSync, chownSync, lchownSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensurePrivateFolder, foldersOf, socketPathOf } from "../../daemon/config/index.ts";
import { temporaryHome } from "../support/daemon.ts";

const isRoot = process.getuid?.() === 0;
let home: string;

beforeEach(() => {
  home = temporaryHome();
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

function refusal(path: string): PipekitError {
  try {
    ensurePrivateFolder(path);
  } catch (error) {
    if (error instanceof PipekitError) return error;
    throw error;
  }
  throw new Error(`${path} was accepted`);
}

test("folders follow the environment, then XDG, then the home folder", () => {
  expect(foldersOf({}, "/home/u", 7)).toEqual({
    stateFolder: "/home/u/.local/state/pipekit-experiment",
    runtimeFolder: "/tmp/pipekit-experiment-7",
    configFile: "/home/u/.config/pipekit-experiment/config.yaml",
  });
  const xdg = { XDG_STATE_HOME: "/s", XDG_RUNTIME_DIR: "/run/user/7", XDG_CONFIG_HOME: "relative" };
  expect(foldersOf(xdg, "/home/u", 7)).toEqual({
    stateFolder: "/s/pipekit-experiment",
    runtimeFolder: "/run/user/7/pipekit-experiment",
    configFile: "/home/u/.config/pipekit-experiment/config.yaml",
  });
  const own = { ...xdg, PKX_STATE_DIR: "/a", PKX_RUNTIME_DIR: "/b", PKX_CONFIG: "/c.yaml" };
  expect(foldersOf(own, "/home/u", 7)).toEqual({
    stateFolder: "/a",
    runtimeFolder: "/b",
    configFile: "/c.yaml",
  });
});

test("the socket is named by the real path of the state folder", () => {
  const state = join(home, "state");
  mkdirSync(state);
  symlinkSync(state, join(home, "link"));
  expect(socketPathOf("/run/x", join(home, "link"))).toBe(socketPathOf("/run/x", state));
  const notYet = socketPathOf("/run/x", join(home, "link/new/one"));
  mkdirSync(join(state, "new/one"), { recursive: true });
  expect(socketPathOf("/run/x", join(home, "link/new/one"))).toBe(notYet);
  // sha256("/srv/state"), as clients in other languages compute it.
  expect(socketPathOf("/run/x", "/srv/state")).toBe("/run/x/9cc65ce79ef512a5.sock");
});

test("a socket path that cannot be bound is refused with its length", () => {
  const path = `/tmp/${"x".repeat(90)}`;
  expect(() => socketPathOf(path, "/srv/state")).toThrow(/has 117 bytes.* at most 107/);
});

test("a new folder is private, its parents too", () => {
  const path = join(home, "a/b/c");
  ensurePrivateFolder(path);
  ensurePrivateFolder(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(home, "a")).mode & 0o777).toBe(0o700);
});

test.each([0o750, 0o705, 0o777])("a folder of mode %o is refused with the command that mends it", (mode) => {
  const path = join(home, "open folder");
  mkdirSync(path);
  chmodSync(path, mode);
  const error = refusal(path);
  expect(error.code).toBe("UNSAFE_FOLDER");
  expect(error.message).toContain(`${path} is open to other users`);
  expect(error.message).toContain(`mode 0${mode.toString(8)}`);
  expect(error.mend).toContain(`chmod 700 '${path}'`);
  expect(error.field).toBe(path);
});

test.runIf(isRoot)("a folder of somebody else is refused", () => {
  const path = join(home, "theirs");
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 12345, 12345);
  const error = refusal(path);
  expect(error.message).toContain("belongs to user 12345 and not to you (user 0)");
  expect(error.mend).toContain(`chown -R 0 ${path}`);
});

test.runIf(isRoot)(
  "a link that somebody else made is refused, one of ours to a private folder is not",
  () => {
    const path = join(home, "link");
    mkdirSync(join(home, "target"), { mode: 0o700 });
    symlinkSync(join(home, "target"), path);
    ensurePrivateFolder(path);
    lchownSync(path, 12345, 12345);
    expect(refusal(path).message).toContain("is a link made by user 12345");
  },
);

test("a file in the way is named", () => {
  expect(refusal("/etc/passwd").message).toBe("The folder /etc/passwd is in the way of a file.");
});
