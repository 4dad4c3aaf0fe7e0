import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { verifyAudit, verifyNewest } from "../../daemon/audit/index.ts";
import { auditFolder, entriesOf, filesOf, openLog } from "./room.ts";

const RUNS = Number(process.env["PKX_AUDIT_RUNS"] ?? 60);

/** A log of some entries in several files; returns how it ends. */
function written(entries: number) {
  const { log, folder } = openLog();
  for (let i = 0; i < entries; i++) {
    log.append({
      kind: "intent",
      principal: "ann",
      method: "RegistryService/Tag",
      subject: { name: `t${i}`, force: true },
    });
  }
  const { seq, digest } = log.end;
  log.close();
  return { folder, head: { seq, digest } };
}

const untouched = (folder: string) => ({
  folder,
  isForeign: false,
  end: { seq: 0, digest: "", file: "", length: 0 },
});
const refused = { code: "CORRUPT_AUDIT", mend: expect.stringMatching(/./) };

test("entries are chained over files, and what was kept elsewhere is found again", async () => {
  const { folder, head } = written(20);
  expect(readdirSync(folder).length).toBeGreaterThan(3);
  const { log } = openLog(folder);
  log.append({ kind: "start" });
  expect(await verifyAudit(log, head)).toEqual({ entries: 21, head: { seq: 21, digest: log.end.digest } });
  await expect(verifyAudit(log, { ...head, digest: "0".repeat(64) })).rejects.toMatchObject(refused);
  await expect(verifyAudit(log, { ...head, seq: 22 })).rejects.toMatchObject(refused);
  await verifyNewest(log);
});

test("whatever byte is changed, verify finds it", async () => {
  const { folder } = written(12);
  const files = [...filesOf(folder)];
  const change = fc.tuple(fc.nat(files.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(change, async ([file, place, flip]) => {
      const [name, bytes] = files[file] ?? ["", Buffer.alloc(1)];
      const changed = Buffer.from(bytes);
      const at = place % bytes.length;
      changed[at] = (changed[at] ?? 0) ^ flip;
      writeFileSync(join(folder, name), changed);
      await expect(verifyAudit(untouched(folder))).rejects.toMatchObject(refused);
      writeFileSync(join(folder, name), bytes);
    }),
    { numRuns: RUNS * 5 },
  );
  expect((await verifyAudit(untouched(folder))).entries).toBe(12);
});

test("an entry that is removed, doubled, moved or put in, and a log that is cut, are found", async () => {
  const { folder, head } = written(12);
  const files = filesOf(folder);
  const lines = [...files.values()].flatMap((bytes) => bytes.toString().trimEnd().split("\n"));
  const deed = fc.record({
    deed: fc.constantFrom("remove", "double", "swap", "forge", "pad", "cut"),
    at: fc.nat(lines.length - 1),
    to: fc.nat(lines.length - 1),
  });
  await fc.assert(
    fc.asyncProperty(deed, async ({ deed, at, to }) => {
      const edited = [...lines];
      const line = lines[at] ?? "";
      if (deed === "remove") edited.splice(at, 1);
      if (deed === "double") edited.splice(to, 0, line);
      if (deed === "swap") {
        fc.pre(at !== to);
        [edited[at], edited[to]] = [lines[to] ?? "", line];
      }
      if (deed === "forge") edited.splice(at, 1, line.replace('"ann"', '"eve"'));
      // JSON of the same meaning.
      if (deed === "pad") edited.splice(at, 1, line.replace(",", ", "));
      if (deed === "cut") edited.length = at;
      const one = auditFolder();
      if (edited.length > 0) writeFileSync(join(one, "000000000000001.jsonl"), `${edited.join("\n")}\n`);
      // Only an entry that was kept elsewhere tells of an end that was cut off.
      const since = deed === "cut" || (deed === "remove" && at === lines.length - 1) ? head : undefined;
      await expect(verifyAudit(untouched(one), since)).rejects.toMatchObject(refused);
    }),
    { numRuns: RUNS * 2 },
  );
});

test("bytes that are no text are found where they read like the text that was written", async () => {
  const { log, folder } = openLog();
  log.append({ kind: "intent", subject: { name: "\ufffd" } });
  const file = join(folder, log.end.file);
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from("\ufffd"));
  const changed = Buffer.concat([bytes.subarray(0, at), Buffer.of(0xff), bytes.subarray(at + 3)]);
  expect(changed.toString()).toBe(bytes.toString());
  await verifyAudit(untouched(folder));
  writeFileSync(file, changed);
  await expect(verifyAudit(untouched(folder))).rejects.toMatchObject(refused);
});

test("a file that is missing or renamed is found; older ones may be put away by who kept their end", async () => {
  const { folder, head } = written(12);
  const [first = "", second = "", third = ""] = readdirSync(folder).sort();
  const heads = readFileSync(join(folder, first), "utf8").trimEnd().split("\n").at(-1) ?? "";
  const kept = JSON.parse(heads) as { seq: number; digest: string };
  const middle = readFileSync(join(folder, second));
  rmSync(join(folder, second));
  await expect(verifyAudit(untouched(folder))).rejects.toMatchObject(refused);
  writeFileSync(join(folder, "000000000000900.jsonl"), middle);
  await expect(verifyAudit(untouched(folder))).rejects.toMatchObject(refused);
  rmSync(join(folder, "000000000000900.jsonl"));
  writeFileSync(join(folder, second), middle);
  rmSync(join(folder, first));
  await expect(verifyAudit(untouched(folder))).rejects.toMatchObject(refused);
  const { entries } = await verifyAudit(untouched(folder), { seq: kept.seq, digest: kept.digest });
  expect(entries).toBe(head.seq - kept.seq);
  await expect(verifyAudit(untouched(folder), { ...kept, digest: "1" })).rejects.toMatchObject(refused);
  expect(third).not.toBe("");
});

test("at whatever byte a crash broke off the writing, the next start cuts to the last whole entry and says so", async () => {
  const { folder } = written(6);
  const files = filesOf(folder);
  const [last = ""] = [...files.keys()].slice(-1);
  const bytes = files.get(last) ?? Buffer.alloc(0);
  const whole = bytes.toString().trimEnd().split("\n");
  for (let length = 0; length <= bytes.length; length += 7) {
    truncateSync(join(folder, last), length);
    const { log, error } = openLog(folder);
    log.append({ kind: "start" });
    await verifyAudit(log);
    const kinds = (await entriesOf(log, { last: 2 })).map(({ kind }) => kind);
    const torn = !bytes.subarray(0, length).toString().endsWith("\n") && length > 0;
    expect(kinds, `cut at ${length}`).toEqual([torn ? "mended" : "intent", "start"]);
    expect(error).not.toHaveBeenCalled();
    log.close();
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    for (const [name, content] of files) writeFileSync(join(folder, name), content);
  }
  expect(whole.length).toBeGreaterThan(1);
});

test("a last line that is no entry is told, and the log goes on in a file of its own", async () => {
  const { folder } = written(5);
  const last = join(folder, readdirSync(folder).sort().at(-1) ?? "");
  const text = readFileSync(last, "utf8");
  const at = text.lastIndexOf('"ann"');
  writeFileSync(last, `${text.slice(0, at)}"eve"${text.slice(at + 5)}`);
  const { log, error } = openLog(folder);
  log.append({ kind: "start" });
  expect(error).toHaveBeenCalledOnce();
  expect(log.warnings).toEqual([expect.stringContaining("damaged")]);
  expect((await entriesOf(log)).map(({ kind }) => kind).slice(-3)).toEqual([
    "unreadable",
    "damaged",
    "start",
  ]);
  await expect(verifyAudit(log)).rejects.toMatchObject(refused);
  log.close();
  const again = openLog(folder);
  again.log.append({ kind: "start" });
  expect((await entriesOf(again.log, { last: 1 }))[0]?.seq).toBe(8);
});

test("a file that is cut, removed or written to under the running daemon is found, and the log goes on", async () => {
  for (const harm of ["cut", "remove", "write"] as const) {
    const { log, folder, error } = openLog();
    for (let i = 0; i < 3; i++) log.append({ kind: "intent", principal: "ann" });
    const file = join(folder, log.end.file);
    if (harm === "cut") truncateSync(file, 10);
    if (harm === "remove") rmSync(file);
    if (harm === "write") writeFileSync(file, "x\n", { flag: "a" });
    await expect(verifyAudit(log), harm).rejects.toMatchObject(refused);
    expect(log.append({ kind: "intent" }).seq, harm).toBe(4);
    expect(error, harm).toHaveBeenCalledOnce();
    await expect(verifyAudit(log), harm).rejects.toMatchObject(refused);
  }
});
