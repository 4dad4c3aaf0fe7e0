/**
 * A process that brings models into a local registry: `node copy-worker.ts copy|import <from> <target root> <staging>`.
 * `from` is the folder of a registry, or an archive. Prints `ready`, then the hash of each model that is there.
 */
import { never, registriesOn } from "../contract/registry-harness.ts";

const [task, from = "", root = "", staging = ""] = process.argv.slice(2);
const target = await registriesOn(root, staging).open("");
const source = task === "copy" ? await registriesOn(from, staging).open("") : undefined;
process.stdout.write("ready\n");
const options = { refs: [], withoutTags: false, force: false, actor: "worker" };
const events = source?.copyTo(target, options, never) ?? target.importFrom(from, options, never);
for await (const { part } of events) {
  if (part?.$case === "model") process.stdout.write(`${part.value.hash}\n`);
}
