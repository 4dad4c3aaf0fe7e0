/**
 * Files of a registry, which others with access to its bucket may have written: tags and their logs, metadata.json, archives.
 * What they say is checked; nothing of them makes an answer that no client can read, or leads out of the registry.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../../daemon/registry/manifest.ts";
import { Damage, decodeMetadata } from "../../daemon/registry/metadata.ts";
import { decodeLog, decodeTag, encodeLog, encodeTag } from "../../daemon/registry/tag-file.ts";
import { fill, told } from "../contract/registry-copy.ts";
import { inProcess, never, type RegistryFixture } from "../contract/registry-harness.ts";
import { packed, summed, type TarEntry, unpacked } from "../support/tar-entries.ts";
import { mutated, mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { type TarChange, tarChanges } from "./hostile-tar.ts";
import { soon } from "./patience.ts";

const options = { timeout: PATIENCE_MS };

const MOVE = {
  ...{
    name: "stage",
    seq: 3,
    hash: "0123456789abcdef".repeat(4),
    previousHash: "",
    actor: "a\nb",
    atUs: 1e15,
  },
  ...{ nonce: "n", reason: "r\\", principal: "p", moveId: "i" },
};
const tagBytes = fc.constantFrom(
  encodeTag(MOVE),
  encodeLog(MOVE),
  encodeTag({ ...MOVE, hash: "", moveId: "" }),
);
const moments = fc.constantFrom(
  "0000-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "2026-02-30T00:00:00Z",
  "1e5",
  "2026-01-01T24:00:00Z",
  "-000001-01-01T00:00:00Z",
);

test("tags and their logs", options, async () => {
  const bytes = fc.oneof(
    mutated(tagBytes),
    fc
      .tuple(tagBytes, moments)
      .map(([all, time]) => Buffer.from(all.toString().replace(/20\d\d-[^"\n]*/, time))),
  );
  await fuzz("tags", 2000, bytes, (changed) => {
    for (const [decode, encode] of [
      [decodeTag, encodeTag],
      [decodeLog, encodeLog],
    ] as const) {
      const found = decode("stage", changed);
      if (found === undefined) continue;
      expect(Number.isSafeInteger(found.atUs) && Number.isSafeInteger(found.seq), JSON.stringify(found)).toBe(
        true,
      );
      expect(decode("stage", encode(found))).toEqual(found);
    }
  });
});

let registry: RegistryFixture;
let models: {
  readonly metadata: readonly string[];
  readonly archive: Buffer;
  readonly entries: readonly TarEntry[];
};
beforeAll(async () => {
  registry = await inProcess();
  const { a, b } = await fill(registry.registry);
  const path = join(registry.scratch, "models.tar");
  await told(registry.registry.exportTo(path, { refs: [], withoutTags: false, overwrite: false }, never));
  const archive = readFileSync(path);
  const metadata = [a, b].map((hash) => readFileSync(join(registry.root, hash, "metadata.json"), "utf8"));
  models = { metadata, archive, entries: await unpacked(archive) };
});
afterAll(() => registry.close());

test("metadata.json whose digest is right", options, async () => {
  const whole = fc.nat(1).map((i) => (models.metadata[i] ?? "").replace(/ {2}"digest".*/s, ""));
  const numbers = fc.constantFrom("-1", "0.5", "1e30", "9007199254740993", '"3"', "null");
  const texts = fc.oneof(
    whole.chain((text) => mutatedText(fc.constant(text))),
    fc.tuple(whole, moments).map(([text, time]) => text.replace(/("created_at": ")[^"]*/, `$1${time}`)),
    fc.tuple(whole, numbers).map(([text, size]) => text.replace(/("size": ?)\d+/, `$1${size}`)),
  );
  await fuzz("metadata.json", 500, texts, async (text) => {
    const sealed = Buffer.from(`${text}  "digest": "${sha256(text)}"\n}\n`);
    const manifest = /"manifest": ("(?:[^"\\]|\\.)*")/.exec(text)?.[1] ?? '""';
    for (const hash of [sha256(jsonText(manifest)), /[0-9a-f]{64}/.exec(text)?.[0] ?? ""]) {
      await soon("metadata.json", () => {
        try {
          const { createdAtMs, weights, preview, operatorYaml } = decodeMetadata(sealed, hash);
          expect(Number.isSafeInteger(createdAtMs * 1000), text).toBe(true);
          for (const file of [weights, preview, operatorYaml])
            if (file) expect(Number.isSafeInteger(file.size) && file.size >= 0, text).toBe(true);
        } catch (error) {
          if (!(error instanceof Damage)) throw error;
        }
      });
    }
  });
});

function jsonText(source: string): string {
  try {
    return String(JSON.parse(source));
  } catch {
    return "";
  }
}

test("archives of models", options, async () => {
  const names = [
    "_log/a/1.json",
    "SHA256SUMS",
    "pipekit-archive.json",
    `${"0".repeat(64)}/metadata.json`,
    "_tags/a.txt",
    "_tags/stage.txt",
  ];
  const changed = mutated(fc.constant(0).map(() => models.archive));
  const input = fc.oneof(changed, fc.tuple(tarChanges(names), fc.boolean()));
  const around = () => [...readdirSync(registry.scratch), ...readdirSync(join(registry.scratch, ".."))];
  const before = around();
  const file = join(registry.scratch, "changed.tar");
  await fuzz("archives", 40, input, async (change) => {
    writeFileSync(file, Buffer.isBuffer(change) ? change : await rearranged(...change));
    const target = await registry.other();
    await soon("an archive", async () => {
      await told(target.importFrom(file, { withoutTags: false, force: false, actor: "t" }, never)).catch(
        (error: unknown) => {
          if (!(error instanceof PipekitError) || error.code === "INTERNAL") throw error;
        },
      );
      // What was taken is sound, whatever came behind it.
      for await (const { problems } of target.verify([], never)) expect(problems).toEqual([]);
    });
  });
  rmSync(file, { force: true });
  expect(around().filter((name) => !before.includes(name) && !/^(?:other|cache)-/.test(name))).toEqual([]);
});

function rearranged(change: TarChange, isSummed: boolean): Promise<Buffer> {
  const entries = change(models.entries);
  return packed(isSummed ? summed(entries) : entries);
}
