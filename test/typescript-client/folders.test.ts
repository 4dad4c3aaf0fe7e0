import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { socketPath } from "@pipekit/experiment";
import { expect, test } from "vitest";

test("the socket of a state folder below a link is the same before and after the folder is made", () => {
  const home = mkdtempSync(join(realpathSync(tmpdir()), "pkx-"));
  try {
    mkdirSync(join(home, "disk"));
    symlinkSync("disk", join(home, "link"));
    const state = join(home, "link/user/state");
    const before = socketPath("/run", state);
    mkdirSync(state, { recursive: true });
    expect(socketPath("/run", state)).toBe(before);
    expect(before).toBe(socketPath("/run", join(home, "disk/user/state")));
  } finally {
    rmSync(home, { recursive: true });
  }
});
