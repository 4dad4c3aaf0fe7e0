/**
 * A process that sends a file: `node uploader.ts <spec> <key> <path> <scratch>`, credentials in the environment; prints
 * `ready`, then a line with its peak memory in bytes before and after.
 */
import { readFileSync } from "node:fs";
import { openS3 } from "../../adapters/s3/opening.ts";
import { SMALL } from "./room.ts";

const [spec = "", key = "", path = "", scratch = "", sizes = "small"] = process.argv.slice(2);
const never = new AbortController().signal;
const tuning = sizes === "small" ? SMALL : {};
const backend = openS3(spec, { scratch, env: process.env }, tuning);
// What a first call loads once is no growth.
await backend.create(`${key}-first`, Buffer.from("first"), never);
for await (const _ of backend.read(`${key}-first`, 0, never));
process.stdout.write("ready\n");
const before = memory("VmRSS");
const blob = await backend.receive({ kind: "file", path }, never);
await blob.publish(key, never);
const sent = memory("VmHWM");
for await (const _ of backend.read(key, 0, never));
const read = memory("VmHWM");
await backend.fetch?.(key, `${path}.fetched`, never);
process.stdout.write(
  `${JSON.stringify({ before, sent, read, fetched: memory("VmHWM"), sha256: blob.sha256 })}\n`,
);

/** Bytes of a line of /proc/self/status: VmRSS is the memory now, VmHWM its peak. */
function memory(name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
}
