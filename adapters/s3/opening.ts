import type { BackendContext, RegistryBackend } from "../registry.ts";
import { S3Backend } from "./backend.ts";
import { Bucket } from "./bucket.ts";
import { formatSpec, parseSpec } from "./spec.ts";
import { TUNING, type Tuning } from "./tuning.ts";

/** Opens a registry without asking the server: what is in a cache can be read while the server is away. */
export function openS3(spec: string, context: BackendContext, tuning: Partial<Tuning> = {}): RegistryBackend {
  const parsed = parseSpec(spec);
  const bucket = new Bucket(parsed, context.env, { ...TUNING, ...tuning });
  return new S3Backend(formatSpec(parsed), bucket, context.scratch);
}
