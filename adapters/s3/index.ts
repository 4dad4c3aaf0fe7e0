/**
 * Registry backend for S3 and servers that speak its protocol: `s3://BUCKET/PREFIX/`.
 *
 * Architecture Invariant: the AWS SDK is loaded when the first S3 registry is opened, and not before: the daemon starts
 * without it. Only `opening.ts` and `objects.ts`, the door for data sets in buckets, and what they import, name the SDK's values.
 */
import type { RegistryKind } from "../registry.ts";
import { formatSpec, parseSpec } from "./spec.ts";

export const s3Registry: RegistryKind = {
  schemes: ["s3"],
  parse: (spec) => formatSpec(parseSpec(spec)),
  async open(spec, context) {
    const { openS3 } = await import("./opening.ts");
    return openS3(spec, context);
  },
};
