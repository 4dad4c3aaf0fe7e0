import { nearestName } from "@pipekit/proto";
import type { ModelIndex } from "../../view/index.ts";

const MOST = 3;

/** Tags of much the same name, the most alike first. */
export function nearTags(index: ModelIndex, name: string): string[] {
  let names = index.tags().map((move) => move.name);
  const near: string[] = [];
  while (near.length < MOST) {
    const next = nearestName(name, names);
    if (next === undefined) break;
    near.push(next);
    names = names.filter((other) => other !== next);
  }
  return near;
}
