/** One prefix of one bucket: the SDK's client set up for it, and every call to it with its failures sorted. */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { BackendRefused } from "../registry.ts";
import { type ChecksumFields, checksumFields, signBodyByChecksum } from "./checksum.ts";
import { asFault } from "./faults.ts";
import type { S3Spec } from "./spec.ts";
import type { Tuning } from "./tuning.ts";

/** Fields of every request that writes an object. */
export interface WriteFields {
  readonly ServerSideEncryption?: "AES256" | "aws:kms" | "aws:kms:dsse";
  readonly SSEKMSKeyId?: string;
  readonly StorageClass?: "STANDARD";
}

export class Bucket {
  readonly spec: S3Spec;
  readonly tuning: Tuning;
  /** Where the server is, for sentences. */
  readonly endpoint: string;
  readonly writeFields: WriteFields;
  readonly #client: S3Client;

  constructor(spec: S3Spec, env: NodeJS.ProcessEnv, tuning: Tuning) {
    this.spec = spec;
    this.tuning = tuning;
    this.endpoint = spec.endpoint ?? "AWS";
    this.writeFields = {
      ...(spec.sse !== undefined && { ServerSideEncryption: spec.sse }),
      ...(spec.kmsKey !== undefined && { SSEKMSKeyId: spec.kmsKey }),
      // The list of classes grows faster than that of the SDK's types.
      ...(spec.storageClass !== undefined && { StorageClass: spec.storageClass as "STANDARD" }),
    };
    this.#client = new S3Client(clientConfig(spec, env, tuning));
    signBodyByChecksum(this.#client);
  }

  /** Bucket and key of an object of the registry. */
  at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.spec.bucket, Key: this.spec.prefix + key };
  }

  /** Fields by which the server checks the bytes of a request. */
  checksum(bytes: Buffer): ChecksumFields {
    return checksumFields(bytes, this.spec.checksum);
  }

  /** What every answer about an object must carry; whatever answers without it is no S3 server. Throws BackendRefused. */
  required<T>(value: T | undefined, what: string): T {
    if (value !== undefined) return value;
    throw new BackendRefused(
      `${this.endpoint} answers without ${what}, which S3 always gives.`,
      "See whether it is an S3 server, and whether a proxy or a login page lies in between.",
    );
  }

  /** Calls the server. Throws S3Answer, BackendUnavailable, BackendRefused, and the signal's reason. */
  async ask<T>(
    operation: string,
    key: string | undefined,
    signal: AbortSignal,
    send: (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    try {
      return await send(this.#client, { abortSignal: signal });
    } catch (error) {
      const { bucket, prefix } = this.spec;
      const call = {
        operation,
        bucket,
        endpoint: this.endpoint,
        ...(key !== undefined && { key: prefix + key }),
      };
      throw asFault(error, call, signal);
    }
  }

  /** Lets the connections go. No call may follow. */
  close(): void {
    this.#client.destroy();
  }
}

function clientConfig(spec: S3Spec, env: NodeJS.ProcessEnv, tuning: Tuning): S3ClientConfig {
  const region = spec.region ?? env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  const agent = { keepAlive: true, maxSockets: tuning.sockets };
  return {
    ...(region !== undefined ? { region } : spec.endpoint !== undefined && { region: "us-east-1" }),
    ...(spec.endpoint === undefined ? { followRegionRedirects: true } : { endpoint: spec.endpoint }),
    ...(spec.profile !== undefined && { profile: spec.profile }),
    ...credentials(spec, env),
    forcePathStyle: spec.pathStyle,
    retryMode: "standard",
    maxAttempts: tuning.attempts,
    // The checksums that the SDK would add by itself break servers that are not of AWS; ours are sent by name.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: tuning.connectMs,
      // Of silence, not of the whole request: a slow line takes its time for a part.
      socketTimeout: tuning.silenceMs,
      httpAgent: agent,
      httpsAgent: agent,
      logger: SILENT,
    },
  };
}

/** Keys of the environment that was given. Without them the SDK's chain goes on: profile, SSO, IRSA, container, instance. */
function credentials(spec: S3Spec, env: NodeJS.ProcessEnv): Pick<S3ClientConfig, "credentials"> {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = env["AWS_SESSION_TOKEN"];
  // A profile that is asked for goes before them, as it does for every tool of AWS.
  const profile = spec.profile ?? env["AWS_PROFILE"];
  if (profile !== undefined || accessKeyId === undefined || secretAccessKey === undefined) return {};
  return {
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
  };
}

const nothing = (): void => undefined;
/** The handler's warnings about many sockets go to the console otherwise. */
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };
