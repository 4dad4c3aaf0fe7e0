/**
 * A process with a fake remote registry: `node cache-worker.ts <task> <root> <cache folder> <ref> [<MiB>]`.
 * `load`: loads by path, and prints `fetching` at the second chunk and the path at the end. `hang`: stops at the second
 * chunk for good. `grow`: stores weights of so many MiB, loads them by path and as a stream, and prints how far its memory
 * has grown in bytes at its peak. `grow-in-order`: the same where the backend cannot fetch.
 */
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRegistries } from "../../daemon/registry/index.ts";
import { swept } from "../../daemon/rpc/sweep.ts";
import { never, newModel, silent, storeText } from "../contract/registry-harness.ts";
import { FakeRemote } from "./fake-remote.ts";
import { memoryOf } from "./memory.ts";

const MIB = 1024 * 1024;
const [task, root = "", cacheFolder = "", ref = "", mib = "0"] = process.argv.slice(2);
const stagingFolder = join(cacheFolder, "..", "staging");
await mkdir(stagingFolder, { recursive: true });
const remote = new FakeRemote();
remote.fetches = task !== "grow-in-order";
const registry = await createRegistries({
  kinds: [remote],
  defaultSpec: `fake:${root}`,
  stagingFolder,
  cacheFolder,
  env: {},
  log: silent,
}).open("");
process.stdout.write("ready\n");

if (task?.startsWith("grow")) {
  await registry.load(await storeText(registry, "small"), { byPath: true, offset: 0 }, never);
  const before = memoryOf("self", "VmRSS");
  const weights = { kind: "stream", chunks: swept(pattern(Number(mib))) } as const;
  const { model } = await registry.store(newModel({ weights }), never);
  await registry.load(model.hash, { byPath: true, offset: 0 }, never);
  const hash = createHash("sha256");
  const streamed = await registry.load(model.hash, { byPath: false, offset: 0 }, never);
  for await (const chunk of swept(streamed.weights)) hash.update(chunk);
  if (hash.digest("hex") !== model.weightsSha256) throw new Error("wrong bytes");
  process.stdout.write(`${memoryOf("self", "VmHWM") - before}\n`);
} else {
  remote.onChunk = async (done) => {
    if (done === MIB) process.stdout.write("fetching\n");
    if (done === MIB && task === "hang") await new Promise((wait) => setTimeout(wait, 3_600_000));
  };
  const { weightsPath } = await registry.load(ref, { byPath: true, offset: 0 }, never);
  process.stdout.write(`${weightsPath}\n`);
}

async function* pattern(count: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(MIB, `chunk ${i} `);
}
