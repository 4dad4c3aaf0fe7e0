/** What tests of the S3 backend share: a backend on a prefix of its own, with small sizes and short times. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BlobSource, RegistryBackend } from "@pipekit/adapters/registry";
import { openS3 } from "../../adapters/s3/opening.ts";
import type { Tuning } from "../../adapters/s3/tuning.ts";
import { ADMIN, BUCKET, type S3Identity, type S3Server } from "../support/seaweed.ts";

export const MIB = 1024 * 1024;

/** Parts of 5 MiB, which is the least that S3 takes, and few tries. */
export const SMALL: Partial<Tuning> = {
  multipartFrom: 6 * MIB,
  partBytes: 5 * MIB,
  fetchBytes: 2 * MIB,
  streamBytes: 2 * MIB,
  silenceMs: 10_000,
  connectMs: 10_000,
  attempts: 2,
};

/** For tests in which the server hangs: small requests are answered sooner even on a busy host. */
export const IMPATIENT: Partial<Tuning> = { ...SMALL, silenceMs: 700 };

/** A folder for a test's own files and for scratch files. */
export interface Room {
  readonly scratch: string;
  readonly files: string;
  open(
    spec: string,
    options?: { readonly identity?: S3Identity; readonly tuning?: Partial<Tuning> },
  ): RegistryBackend;
  /** A file with random bytes. */
  file(size: number): Promise<{ readonly path: string; readonly content: Buffer }>;
  close(): Promise<void>;
}

export async function makeRoom(server: S3Server): Promise<Room> {
  const scratch = await mkdtemp(join(tmpdir(), "pkx-s3-scratch-"));
  const files = await mkdtemp(join(tmpdir(), "pkx-s3-files-"));
  let made = 0;
  return {
    scratch,
    files,
    open: (spec, { identity = ADMIN, tuning = {} } = {}) =>
      openS3(spec, { scratch, env: server.env(identity) }, { ...SMALL, ...tuning }),
    async file(size) {
      const path = join(files, `file-${made++}`);
      const content = randomBytes(size);
      await writeFile(path, content);
      return { path, content };
    },
    async close() {
      for (const folder of [scratch, files]) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A spec with the same prefix at another endpoint. */
export function through(spec: string, endpoint: string): string {
  return spec.replace(/endpoint=http:\/\/[\d.:]+/, `endpoint=${endpoint}`);
}

/** Key in the bucket of a key of the registry. */
export function inBucket(spec: string, key: string): string {
  return spec.slice(`s3://${BUCKET}/`.length, spec.indexOf("?")) + key;
}

export function stream(...chunks: readonly Buffer[]): BlobSource {
  const source = async function* (): AsyncGenerator<Buffer> {
    yield* chunks;
  };
  return { kind: "stream", chunks: source() };
}

/** A signal that never aborts. */
export const never = new AbortController().signal;

export async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}
