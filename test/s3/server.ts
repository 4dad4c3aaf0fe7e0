/** The real S3 server of a test file. */
import type { RegistryBackend } from "@pipekit/adapters/registry";
import { afterAll, beforeAll } from "vitest";
import { type S3Proxy, startS3Proxy } from "../support/s3-server-proxy.ts";
import { type S3Server, type S3ServerOptions, startSeaweed } from "../support/seaweed.ts";
import { makeRoom, never, type Room, through } from "./room.ts";

/** Starts a server for the tests of a file, with a room; `begin` is given both before the first test. */
export function withServer(begin: (server: S3Server, room: Room) => void, options?: S3ServerOptions): void {
  let server: S3Server;
  let room: Room;
  beforeAll(async () => {
    server = await startSeaweed(options);
    room = await makeRoom(server);
    begin(server, room);
  });
  afterAll(async () => {
    await server.stop();
    await room.close();
  });
}

/** A proxy before the server, and a backend behind it that is probed and warm: the object `there` holds `one`. */
export async function behindProxy(
  server: S3Server,
  room: Room,
): Promise<{ proxy: S3Proxy; spec: string; backend: RegistryBackend }> {
  const proxy = await startS3Proxy(server.endpoint);
  const spec = through(server.newSpec("&poll_ms=50"), proxy.endpoint);
  const backend = room.open(spec);
  await backend.create("there", Buffer.from("one"), never);
  return { proxy, spec, backend };
}
