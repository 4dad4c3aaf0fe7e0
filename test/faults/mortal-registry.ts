/**
 * A process that works on a registry and ends itself by kill -9: `node mortal-registry.ts <spec> <staging> <task> <n>`.
 * It dies at its n-th request to the backend, just before, in the middle of or just after it (n / 3, n % 3); 0 for never.
 * Tasks: `store`, `tag`, `pin`, `gc`. Times are short, so that what a dead process leaves is dead soon.
 */
import { localRegistry } from "@pipekit/adapters/local";
import type { RegistryBackend, RegistryKind } from "@pipekit/adapters/registry";
import { s3Registry } from "@pipekit/adapters/s3";
import { createRegistries, type Registry } from "../../daemon/registry/index.ts";
import { move, never, newModel, silent, streamOf } from "../contract/registry-harness.ts";

/** Shorter than any in earnest, longer than a request takes here. */
export const SHORT_TIMES = {
  leaseMs: 6000,
  renewMs: 1000,
  holdMs: 3000,
  tombstoneMs: 4000,
  deletingMs: 1500,
  goneMs: 2500,
  skewMs: 0,
};

export const WEIGHTS = ["weights one", "weights two", "weights three"];

/** A registry whose files die soon. */
export function openShort(spec: string, staging: string, nth = 0): Promise<Registry> {
  return createRegistries({
    kinds: [localRegistry, s3Registry].map((kind) => mortal(kind, nth)),
    defaultSpec: spec,
    stagingFolder: staging,
    cacheFolder: `${staging}/cache-${process.pid}`,
    env: process.env,
    log: silent,
    seams: { times: SHORT_TIMES },
  }).open("");
}

const COUNTED = new Set(["get", "create", "replace", "remove", "info", "list", "scan"]);

function mortal(kind: RegistryKind, nth: number): RegistryKind {
  if (nth === 0) return kind;
  return {
    schemes: kind.schemes,
    parse: (spec) => kind.parse(spec),
    open: async (...args) => counting(await kind.open(...args), nth),
  };
}

function counting(backend: RegistryBackend, nth: number): RegistryBackend {
  const [at, moment] = [Math.floor(nth / 3), nth % 3];
  let asked = 0;
  const die = (): void => void process.kill(process.pid, "SIGKILL");
  return new Proxy(backend, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      if (!COUNTED.has(String(name))) return member.bind(target);
      return async (...given: unknown[]) => {
        const turn = asked++ === at;
        if (turn && moment === 0) die();
        const answer: unknown = Reflect.apply(member, target, given);
        if (turn && moment === 1) setImmediate(die);
        const result = await answer;
        if (turn && moment === 2) die();
        return result;
      };
    },
  });
}

async function work(registry: Registry, task: string, nth: number): Promise<void> {
  const weights = WEIGHTS[nth % WEIGHTS.length] ?? "";
  if (task === "gc") {
    const policy = { keepLast: 0, minAgeUs: 0, keepMoves: 0, keepMovedUs: 0, keepMetadataJson: [] };
    for await (const _ of registry.gc({ policy, apply: true, actor: "" }, never));
    return;
  }
  const named = task === "store" && nth % 2 === 0 ? { name: "latest", force: true } : {};
  const { model } = await registry.store(newModel({ weights: streamOf(weights), ...named }), never);
  if (task === "tag") await registry.tag(move("prod", model.hash, { force: true }), never);
  if (task === "pin") await registry.pin({ ref: model.hash, actor: "", reason: "" }, never);
}

if (import.meta.main) {
  const [spec = "", staging = "", task = "", nth = "0"] = process.argv.slice(2);
  const registry = await openShort(spec, staging, Number(nth));
  try {
    await work(registry, task, Number(nth));
  } catch (error) {
    // The collector beside it may have been quicker: nothing young is kept here.
    if ((error as { code?: string }).code !== "REF_NOT_FOUND") throw error;
  }
}
