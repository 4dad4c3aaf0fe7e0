/**
 * Files of a state folder: rings and spool files that processes left which died, the audit log, backups. They are taken as far as
 * they are sound, or refused typed.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkColumns, Frame, PipekitError, packRows } from "@pipekit/proto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AuditLog, verifyAudit } from "../../daemon/audit/index.ts";
import { sealManifest } from "../../daemon/backup/manifest.ts";
import { sumLine } from "../../daemon/backup/sums.ts";
import { blockItems } from "../../daemon/spool/block.ts";
import { BackupRoom } from "../backup/room.ts";
import { GOLDEN, SpoolRoom } from "../spool/room.ts";
import { packed, type TarEntry, unpacked } from "../support/tar-entries.ts";
import { mutated } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { tarChanges } from "./hostile-tar.ts";
import { soon } from "./patience.ts";
import * as sound from "./sound-files.ts";

const options = { timeout: PATIENCE_MS };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-fst-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LOG = { runId: GOLDEN.runId, writerId: GOLDEN.writerId, seq: 1, records: [] };
const frames = fc.constantFrom(
  Frame.encode(
    Frame.fromPartial({
      ...LOG,
      records: [{ record: { $case: "start", value: { name: "x", startedAtUs: 1 } } }],
    }),
  ).finish(),
  Frame.encode({
    ...LOG,
    records: [
      { record: { $case: "metrics", value: packRows([{ keys: ["a"], step: 1, timeUs: 1, values: [1] }]) } },
    ],
  }).finish(),
);
const spools = fc
  .array(fc.tuple(fc.bigInt({ min: 0n, max: 4n }), fc.nat(3), fc.oneof(frames, mutated(frames))), {
    maxLength: 5,
  })
  .map((all) =>
    Buffer.concat([
      GOLDEN.spool.subarray(0, 56),
      ...all.map(([seq, points, bytes]) => sound.spoolEntry(seq, points, bytes)),
    ]),
  );

test("rings and spool files of writers that died", options, async () => {
  const ring = fc.oneof(fc.constant(GOLDEN.ring), mutated(fc.constant(GOLDEN.ring)));
  const spool = fc.oneof(spools, mutated(spools), mutated(fc.constant(GOLDEN.spool)));
  const left = fc.tuple(fc.option(ring), fc.option(spool));
  await fuzz("rings and spools", 40, left, async ([ringBytes, spoolBytes]) => {
    const room = new SpoolRoom();
    try {
      if (ringBytes !== null) room.putRing(Buffer.from(ringBytes));
      if (spoolBytes !== null) room.putSpool(Buffer.from(spoolBytes));
      await soon("a look", () => room.drain().look());
      for (const { records } of room.frames)
        for (const { record } of records)
          if (record?.$case === "metrics" && record.value.values.length > 0) checkColumns(record.value);
      // What is damaged is told of and taken as far as it goes. What waits, waits for its run, not for a file to mend itself.
      const failures = room.lines.flatMap(({ fields }) => fields["err"] ?? []);
      expect(failures.filter((err) => !(err instanceof PipekitError))).toEqual([]);
    } finally {
      await room.end();
    }
  });
});

const body = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.uint8Array({ maxLength: 40 }))
    .map(([count, rest]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(count);
      return Buffer.concat([bytes, rest]);
    }),
  fc.array(fc.string({ maxLength: 6 }), { maxLength: 4 }).map((keys) => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(keys.length));
    return Buffer.concat([
      count,
      ...keys.flatMap((key) => [Buffer.from([Buffer.byteLength(key), 0]), Buffer.from(key)]),
    ]);
  }),
);

test("blocks of rings whose checksums are right", options, async () => {
  const entries = fc.array(fc.record({ kind: fc.nat(5), number: fc.nat(3), body }), { maxLength: 8 });
  await fuzz("ring blocks", 1000, fc.tuple(entries, fc.nat(200)), async ([all, from]) => {
    const block = sound.ringBlock(all);
    await soon("a block", () => {
      for (const item of blockItems(block, from))
        if (item.kind === "row") expect(item.values.length).toBe(item.keys.length * 8);
    });
  });
});

test("audit logs", options, async () => {
  const first = join(folder, "audit");
  mkdirSync(first);
  const quiet = { info: () => undefined, error: () => undefined };
  const log = new AuditLog({ folder: first, log: quiet });
  for (let i = 0; i < 5; i++) log.append({ kind: "intent", principal: "p", subject: { name: `é${i}` } });
  log.close();
  const [name = ""] = readdirSync(first);
  const bytes = readFileSync(join(first, name));
  await fuzz("audit logs", 150, mutated(fc.constant(bytes)), async (changed) => {
    writeFileSync(join(first, name), changed);
    const again = new AuditLog({ folder: first, log: quiet });
    again.append({ kind: "start" });
    await soon("the audit log", () => verifyAudit(again)).catch((error: unknown) => {
      expect(error).toMatchObject({ code: "CORRUPT_AUDIT" });
    });
    again.close();
    for (const other of readdirSync(first)) if (other !== name) rmSync(join(first, other));
  });
});

const [MANIFEST, SUMS] = ["manifest.json", "SHA256SUMS"];

test("backups", options, async () => {
  const room = await BackupRoom.open();
  const whole = readFileSync(await room.backUp("sound.tar"));
  const entries = await unpacked(whole);
  const names = [
    "models/a/b",
    "content",
    "content/a",
    "journal.db",
    "journal.db/x",
    "models/../../x",
    MANIFEST,
    SUMS,
    "config.yaml",
  ];
  const input = fc.oneof(mutated(fc.constant(whole)), fc.tuple(tarChanges(names), fc.boolean()));
  const victim = join(room.home, "victim");
  const around = () => readdirSync(room.home).sort();
  writeFileSync(join(room.home, "changed.tar"), "");
  mkdirSync(victim);
  const before = around();
  await fuzz("backups", 20, input, async (change) => {
    const bytes = Buffer.isBuffer(change)
      ? change
      : await packed(change[1] ? sealed(change[0](entries)) : change[0](entries));
    writeFileSync(join(room.home, "changed.tar"), bytes);
    const outcome = await soon("a backup", () =>
      room.restore(join(room.home, "changed.tar"), "victim").catch((error: unknown) => error),
    );
    if (typeof outcome !== "string") {
      if (!(outcome instanceof PipekitError) || outcome.code === "INTERNAL") throw outcome;
      expect(readdirSync(victim)).toEqual([]);
    }
    rmSync(victim, { recursive: true });
    mkdirSync(victim);
    expect(around()).toEqual(before);
  });
  await room.close();
});

/** The entries with sums and a manifest that fit them. */
function sealed(entries: readonly TarEntry[]): TarEntry[] {
  const others = entries.filter(({ name }) => name !== MANIFEST && name !== SUMS);
  const sums = others.map(({ name, body }) => sumLine(sha256(body), name)).join("");
  const { text } = sealManifest({
    ...{ at_us: 1, bytes: 1, daemon_version: "1", files: others.length, left_out: [], notes: [] },
    ...{ origin: { folder: "/x", host: "h" }, points: 3, runs: 1, sums: sha256(Buffer.from(sums)) },
  });
  return [...others, { name: SUMS, body: Buffer.from(sums) }, { name: MANIFEST, body: Buffer.from(text) }];
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
