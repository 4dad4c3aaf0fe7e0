/** Settings of remotes: what is understood, what is refused and how it is named; no secret in any sentence. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readConfig } from "../../adapters/dvc/config.ts";
import { Remotes } from "../../adapters/dvc/remotes/opening.ts";
import { bucketSettings } from "../../adapters/dvc/remotes/s3-settings.ts";
import { makeRepo } from "./remote-room.ts";

/** The remotes of a config's text. */
async function remotesOf(text: string, env: NodeJS.ProcessEnv = {}): Promise<Remotes> {
  const repo = await makeRepo(text);
  try {
    const config = await readConfig(join(repo.folder, ".dvc"), repo.env, repo.folder);
    return new Remotes(config.remotes, env);
  } finally {
    await repo.remove();
  }
}

const S3 = "['remote \"r\"']\n    url = s3://bucket/some/where\n";

test.each([
  ["['remote \"r\"']\n    url = gs://bucket/x\n", "url", /begins with gs:\/\/, which is not supported/],
  ["['remote \"r\"']\n    url = ssh://user:hunter2@host/x\n", "url", /begins with ssh:/],
  ["['remote \"r\"']\n    url = https://user:hunter2@host/x\n", "url", /begins with https:/],
  ["['remote \"r\"']\n    jobs = 3\n", "url", /is missing/],
  ["['remote \"r\"']\n    url = remote://r/x\n", "url", /leads back to itself/],
  ["['remote \"r\"']\n    url = /data\n    jobs = many\n", "jobs", /whole number/],
  ["['remote \"r\"']\n    url = s3://key:hunter2@bucket/x\n", "url", /carries credentials/],
  ["['remote \"r\"']\n    url = s3://bucket/../x\n", "url", /in its path/],
  ["['remote \"r\"']\n    url = s3:///x\n", "url", /names no bucket/],
  [`${S3}    worktree = true\n`, "worktree", /not supported/],
  [`${S3}    version_aware = true\n`, "version_aware", /not supported/],
  [`${S3}    endpointurl = http://user:hunter2@host\n`, "endpointurl", /carries credentials/],
  [`${S3}    endpointurl = host:9000\n`, "endpointurl", /no http or https address/],
  [`${S3}    acl = public-read\n`, "acl", /not supported/],
  [`${S3}    sse_customer_key = hunter2\n`, "sse_customer_key", /not supported/],
  [`${S3}    sse = rot13\n`, "sse", /is not one of/],
  [`${S3}    secret_access_key = hunter2\n`, "access_key_id", /is missing/],
  [`${S3}    credentialpath = /none\n`, "credentialpath", /cannot be read/],
])("%j is refused with the name of the setting", async (text, key, message) => {
  const error: unknown = await (await remotesOf(text)).open("r").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    kind: "invalid",
    field: `remote "r".${key}`,
    message: expect.stringMatching(message),
    mend: expect.any(String),
  });
  expect(JSON.stringify(error) + String(error)).not.toContain("hunter2");
});

test("an unknown name tells the known ones, whatever their case", async () => {
  const remotes = await remotesOf("['remote \"Far\"']\n    url = /a\n");
  expect((await remotes.open("far")).place).toBe("/a");
  expect(await remotes.open("FAR")).toBe(await remotes.open("far"));
  await expect(remotes.open("near")).rejects.toMatchObject({ kind: "invalid", mend: "Known are `Far`." });
});

test("folders are found by file: addresses and through other remotes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pkx-settings-"));
  const remotes = await remotesOf(
    `['remote "base"']\n    url = file://${folder}/a%20b\n['remote "r"']\n    url = remote://base/deep/er\n`,
  );
  expect((await remotes.open("base")).place).toBe(join(folder, "a b"));
  expect((await remotes.open("r")).place).toBe(join(folder, "a b/deep/er"));
  await rm(folder, { recursive: true });
});

test("settings of a bucket become those of the SDK", async () => {
  const settings = new Map(
    Object.entries({
      url: "s3://bucket//some/where/",
      region: "eu-central-1",
      endpointurl: "http://127.0.0.1:9000/",
      profile: "mine",
      sse_kms_key_id: "key",
    }),
  );
  const remote = { name: "r", url: settings.get("url") ?? "", settings };
  const { bucket, place, env } = await bucketSettings(remote, { AWS_PROFILE: "theirs" }, 4);
  expect(place).toBe("s3://bucket/some/where/");
  expect(bucket).toEqual({
    bucket: "bucket",
    prefix: "some/where/",
    region: "eu-central-1",
    endpoint: "http://127.0.0.1:9000",
    profile: "mine",
    sse: "aws:kms",
    kmsKey: "key",
  });
  expect(env["AWS_PROFILE"]).toBe("theirs");
  settings.set("access_key_id", "id").set("secret_access_key", "secret").set("session_token", "token");
  const keyed = await bucketSettings(remote, { AWS_PROFILE: "theirs" }, 4);
  expect(keyed.bucket).not.toHaveProperty("profile");
  expect(keyed.env).toMatchObject({
    AWS_ACCESS_KEY_ID: "id",
    AWS_SESSION_TOKEN: "token",
    AWS_PROFILE: undefined,
  });
});
