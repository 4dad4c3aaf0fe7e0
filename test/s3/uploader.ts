/**
 * A process that sends a file: `node uploader.ts <spec> <key> <path> <scratch>`, credentials in the environment; prints
 * `ready`, then a line with its peak memory in bytes before and after.
 */
import { openS3 } from "../../adapters/s3/opening.ts";
import { memoryOf } from "../support/memory.ts";
import { SMALL } from "./room.ts";

const [spec = "", key = "", path = "", scratch = "", sizes = "small"] = process.argv.slice(2);
const never = new AbortController().signal;
const tuning = sizes === "small" ? SMALL : {};
const backend = openS3(spec, { scratch, env: process.env }, tuning);
// What a first call loads once is no growth.
await backend.create(`${key}-first`, Buffer.from("first"), never);
for await (const _ of backend.read(`${key}-first`, 0, never));
process.stdout.write("ready\n");
const before = memoryOf("self", "VmRSS");
const blob = await backend.receive({ kind: "file", path }, never);
await blob.publish(key, never);
const sent = memoryOf("self", "VmHWM");
for await (const _ of backend.read(key, 0, never));
const read = memoryOf("self", "VmHWM");
await backend.fetch?.(key, `${path}.fetched`, never);
process.stdout.write(
  `${JSON.stringify({ before, sent, read, fetched: memoryOf("self", "VmHWM"), sha256: blob.sha256 })}\n`,
);
