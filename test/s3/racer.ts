/**
 * A process that moves a tag: `node racer.ts <spec> <staging> <n>`, credentials in the environment. It prints `ready`, starts
 * n moves at once when a line comes in, and prints what each of them answered, as JSON.
 */
import { once } from "node:events";
import { s3Registry } from "@pipekit/adapters/s3";
import { move, never, registriesAt } from "../contract/registry-harness.ts";

const [spec = "", staging = "", count = "0"] = process.argv.slice(2);
const registry = await registriesAt({ kinds: [s3Registry], env: process.env }, spec, staging).open("");
const { models } = await registry.list({ pageSize: 0, pageToken: "", metadataFilterJson: "" }, never);
process.stdout.write("ready\n");
await once(process.stdin, "data");
const moves = await Promise.all(
  Array.from({ length: Number(count) }, (_, i) =>
    registry.tag(
      move("t", models[i % models.length]?.hash ?? "", { force: true, actor: `${process.pid}/${i}` }),
      never,
    ),
  ),
);
process.stdout.write(JSON.stringify(moves));
process.exit(0);
