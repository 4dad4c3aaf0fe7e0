/**
 * A process that works on a local registry: `node registry-worker.ts store|tag <root> <staging> <n>`.
 * `store`: stores models without end, printing each hash once it is stored. `tag`: moves the tag `t` n times.
 */
import { move, never, newModel, registriesOn, streamOf } from "./registry-harness.ts";

const [task, root = "", staging = "", count = "0"] = process.argv.slice(2);
const registry = await registriesOn(root, staging).open("");
process.stdout.write("ready\n");

if (task === "store") {
  for (let i = 0; ; i++) {
    const part = Buffer.alloc(256 * 1024, `${process.pid} ${i} `);
    const { model } = await registry.store(
      newModel({ weights: streamOf(part, part, part), name: "latest", force: true, previewJson: "[1]" }),
      never,
    );
    process.stdout.write(`${model.hash}\n`);
  }
}

const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
const racers = Array.from({ length: Number(count) }, (_, i) =>
  registry.tag(
    move("t", models[i % models.length]?.hash ?? "", { force: true, actor: `${process.pid}` }),
    never,
  ),
);
await Promise.all(racers);
