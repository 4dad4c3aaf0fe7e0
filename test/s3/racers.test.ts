/** Registries that share nothing but the bucket: many movers of one tag in several processes, and a reader of bad bytes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { s3Registry } from "@pipekit/adapters/s3";
import type { TagMove } from "@pipekit/proto";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  collect,
  inProcess,
  never,
  type RegistryFixture,
  registriesAt,
  storeText,
} from "../contract/registry-harness.ts";
import { startS3Proxy } from "../support/s3-server-proxy.ts";
import { type S3Server, startSeaweed } from "../support/seaweed.ts";
import { through } from "./room.ts";

let server: S3Server;
let fixture: RegistryFixture;
let spec: string;
beforeAll(async () => {
  server = await startSeaweed();
  spec = server.newSpec("&poll_ms=50");
  fixture = await inProcess({ kinds: [s3Registry], newSpec: () => spec, env: server.env() });
});
afterAll(async () => {
  await fixture.close();
  await server.stop();
});

test("a byte that is flipped on the way is found, and the next load is right", async () => {
  const proxy = await startS3Proxy(server.endpoint);
  const hash = await storeText(fixture.registry, "some weights");
  const place = { kinds: [s3Registry], env: server.env() };
  const registry = await registriesAt(place, through(spec, proxy.endpoint), fixture.staging).open("");
  const load = async () => collect((await registry.load(hash, { byPath: false, offset: 0 }, never)).weights);
  proxy.harm = ({ operation, key }) =>
    operation === "GetObject" && key.endsWith("/weights.bin") ? { kind: "spoil" } : undefined;
  await expect(load()).rejects.toMatchObject({ code: "CORRUPT_MODEL" });
  proxy.harm = () => undefined;
  expect((await load()).toString()).toBe("some weights");
  await proxy.stop();
});

function startRacer(moves: number) {
  const script = join(import.meta.dirname, "racer.ts");
  const args = ["--disable-warning=ExperimentalWarning", script, spec, fixture.staging, `${moves}`];
  const child = spawn(process.execPath, args, { env: server.env(), stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  return {
    ready: once(child.stdout, "data"),
    ended: once(child, "exit"),
    go: () => child.stdin.write("go\n"),
    moves: () => JSON.parse(output.slice("ready\n".length)) as TagMove[],
  };
}

test("50 racers in two processes make one linear history, in which each finds its move", async () => {
  for (let i = 0; i < 5; i++) await storeText(fixture.registry, `w${i}`);
  const racers = [startRacer(25), startRacer(25)];
  await Promise.all(racers.map(({ ready }) => ready));
  for (const { go } of racers) go();
  await Promise.all(racers.map(({ ended }) => ended));

  const { moves } = await fixture.registry.tagHistory("t", { pageSize: 1000, pageToken: "" }, never);
  const oldestFirst = moves.toReversed();
  expect(oldestFirst.map(({ seq }) => seq)).toEqual(oldestFirst.map((_, i) => i + 1));
  oldestFirst.forEach((entry, i) => {
    expect(entry.previousHash).toBe(oldestFirst[i - 1]?.hash ?? "");
  });
  const told = racers.flatMap((racer) => racer.moves());
  expect(told).toHaveLength(50);
  for (const move of told) expect(oldestFirst[move.seq - 1]).toEqual(move);
  // Both processes had their turns.
  expect(new Set(oldestFirst.map(({ actor }) => actor.split("/")[0])).size).toBe(2);
});
