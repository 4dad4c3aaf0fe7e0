/** What a daemon makes of registry specs. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localRegistry } from "@pipekit/adapters/local";
import { pino } from "pino";
import { expect, test } from "vitest";
import { createRegistries } from "../../daemon/registry/index.ts";

const folder = join(tmpdir(), "pkx-no-registry");
const registries = createRegistries({
  kinds: [localRegistry],
  defaultSpec: `local:${folder}`,
  stagingFolder: folder,
  cacheFolder: folder,
  env: {},
  log: pino({ level: "silent" }),
});

test.each([
  ["ftp://user:hunter2@host/models", "The registry spec has the unknown scheme `ftp`."],
  ["//user:hunter2@host/models", "The registry spec begins with no scheme."],
  ["models", "The registry spec begins with no scheme."],
])("a spec that is not understood is not repeated: %s", async (spec, message) => {
  await expect(registries.open(spec)).rejects.toMatchObject({
    code: "INVALID_REGISTRY_SPEC",
    field: "registry",
    message,
    mend: expect.stringContaining("local"),
  });
});
