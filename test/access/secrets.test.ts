/** Secrets that settings and specs refer to, `env:NAME` or `file:/path`: which files are taken, and which are not. */
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  exposureOf,
  formatReference,
  missingReference,
  parseReference,
  resolveReference,
  resolveReferenceNow,
} from "@pipekit/adapters/secret";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "pkx-secret-"));
const path = join(folder, "token");
const reference = { from: "file", path } as const;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a file with a secret is taken only where nobody else may read it, and a person is told why not", async () => {
  writeFileSync(path, "hunter2hunter2\n", { mode: 0o600 });
  for (const mode of [0o600, 0o400, 0o700]) {
    chmodSync(path, mode);
    expect(await resolveReference(reference, {})).toBe("hunter2hunter2");
    expect(resolveReferenceNow(reference, {})).toBe("hunter2hunter2");
  }
  for (const mode of [0o640, 0o604, 0o644, 0o620, 0o666]) {
    chmodSync(path, mode);
    expect(await resolveReference(reference, {})).toBeUndefined();
    expect(resolveReferenceNow(reference, {})).toBeUndefined();
    expect(missingReference(reference)).toBe(
      `The file ${path}, which the spec names, is open to other users: close it with chmod 600.`,
    );
  }
  const gone = { from: "file", path: join(folder, "none") } as const;
  expect(await resolveReference(gone, {})).toBeUndefined();
  expect(missingReference(gone)).toMatch(/cannot be read or is empty/);
});

test.runIf(process.getuid?.() === 0)("another user's file is not taken, however closed", async () => {
  writeFileSync(path, "hunter2hunter2\n");
  chmodSync(path, 0o600);
  chownSync(path, 12_345, 12_345);
  expect(await resolveReference(reference, {})).toBeUndefined();
  expect(missingReference(reference)).toMatch(/belongs to another user/);
  rmSync(path);
});

test("of root's files, as a cluster mounts them, the group may read; of one's own nobody else", () => {
  const own = process.getuid?.() ?? 0;
  fc.assert(
    fc.property(fc.nat(0o777), fc.constantFrom(own, own + 1), (mode, uid) => {
      const exposure = exposureOf({ uid, mode: 0o100_000 | mode });
      if (uid !== own && uid !== 0) expect(exposure).toBe("foreign");
      else expect(exposure === undefined).toBe((mode & (uid === own ? 0o077 : 0o007)) === 0);
    }),
  );
});

test("what is no reference is not taken for one, and a reference has one spelling", () => {
  const spelled = fc.stringMatching(/^(env:[A-Za-z_]\w{0,8}|file:\/[^\0\r\n%]{1,12})$/);
  fc.assert(
    fc.property(spelled, (text) => {
      const found = parseReference(text);
      if (found === undefined) throw new Error(text);
      expect(parseReference(decodeURIComponent(formatReference(found)))).toEqual(found);
    }),
  );
  for (const secret of ["hunter2", "file:hunter2", "env:a-b", "env:", "file:", "file:/a\nb", "ENV:A"]) {
    expect(parseReference(secret)).toBeUndefined();
  }
});
