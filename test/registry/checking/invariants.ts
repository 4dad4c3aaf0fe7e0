/** What must hold of the stored objects after every single step. */
import { decodeTag } from "../../../daemon/registry/tag-file.ts";
import type { World } from "./world.ts";

/** Models that a completed store has promised to keep until a moment, Unix milliseconds. */
export type Promises = Map<string, number>;

/** What is wrong; undefined when all is well. */
export function violation(world: World, promises: Promises): string | undefined {
  const has = (hash: string, file: string): boolean => world.things.has(`${hash}/${file}`);
  const isWhole = (hash: string): boolean =>
    has(hash, "metadata.json") && has(hash, "weights.bin") && has(hash, "operator.yaml");
  for (const [key, { bytes }] of world.things) {
    const [folder = "", file = ""] = key.split("/");
    if (file === "metadata.json" && !isWhole(folder)) return `a model without its files: ${short(folder)}`;
    if (folder === "_tags") {
      const move = decodeTag(file.slice(0, -4), bytes);
      if (move === undefined) return `the tag ${file} cannot be read`;
      if (move.hash !== "" && !isWhole(move.hash))
        return `the tag ${file} leads to ${short(move.hash)}, which is gone`;
    }
    if (folder === "_pins" && !isWhole(file.slice(0, 64))) return `the pinned ${short(file)} is gone`;
  }
  for (const [hash, untilMs] of promises) {
    if (world.nowMs < untilMs && !isWhole(hash)) return `${short(hash)}, stored just now, is gone`;
  }
  return undefined;
}

/** What is wrong with the tag's history; undefined when it is linear and without a gap. */
export function brokenHistory(world: World, name: string): string | undefined {
  const tag = world.things.get(`_tags/${name}.txt`);
  const last = tag && decodeTag(name, tag.bytes);
  if (last === undefined) return undefined;
  let previous = "";
  for (let seq = 1; seq <= last.seq; seq++) {
    const key = `_log/${name}/${String(seq).padStart(12, "0")}.json`;
    const logged = world.things.get(key);
    // The log follows the tag by one entry, when its mover died.
    if (logged === undefined && seq === last.seq) return undefined;
    if (logged === undefined) return `${key} is missing`;
    const entry = JSON.parse(logged.bytes.toString("utf8"));
    if (entry.seq !== seq || entry.prev !== previous) return `${key} does not follow from the one before`;
    previous = entry.hash;
  }
  return previous === last.hash ? undefined : `the log of ${name} ends elsewhere than its tag`;
}

const short = (hash: string): string => hash.slice(0, 6);
