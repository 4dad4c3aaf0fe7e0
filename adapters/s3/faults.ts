/**
 * What S3 and the way to it can answer, sorted: an answer that callers reckon with (S3Answer), a server that is away
 * (BackendUnavailable), or one that will not do it (BackendRefused). The SDK's own errors go no further: they may carry
 * signatures.
 */
import { BackendRefused, BackendUnavailable } from "../registry.ts";
import { PERMISSIONS } from "./permissions.ts";

/** A call, for sentences. */
export interface S3Call {
  /** Such as `PutObject`. */
  readonly operation: string;
  readonly bucket: string;
  /** Key in the bucket; of no single object when absent. */
  readonly key?: string;
  /** Where the server is, for sentences. */
  readonly endpoint: string;
}

/** `missing`: no such object. `changed`: a condition was false. `conflict`: another write was under way. */
export type AnswerKind = "missing" | "changed" | "conflict" | "upload gone" | "beyond the end";

/** An answer that callers reckon with. Where one does not, the server answers out of turn, and cannot be used. */
export class S3Answer extends BackendUnavailable {
  readonly kind: AnswerKind;
  /** Requests that the SDK has sent: with more than one, an earlier one may have been carried out. */
  readonly attempts: number;

  constructor(kind: AnswerKind, attempts: number, call: S3Call) {
    super(
      `${call.operation} of ${call.key ?? call.bucket}: ${kind}.`,
      "See what answers there, then try again.",
    );
    this.name = "S3Answer";
    this.kind = kind;
    this.attempts = attempts;
  }
}

/** For `catch`: undefined for an answer of these kinds, else thrown on. */
export function unless(...kinds: readonly AnswerKind[]): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof S3Answer && kinds.includes(error.kind)) return undefined;
    throw error;
  };
}

/** What the SDK's errors are made of. */
interface SdkError {
  readonly name: string;
  readonly message: string;
  readonly code?: unknown;
  readonly $metadata?: {
    readonly httpStatusCode?: number;
    readonly attempts?: number;
    readonly requestId?: string;
  };
}

const KINDS: Readonly<Record<string, AnswerKind>> = {
  NoSuchKey: "missing",
  NotFound: "missing",
  PreconditionFailed: "changed",
  ConditionalRequestConflict: "conflict",
  OperationAborted: "conflict",
  NoSuchUpload: "upload gone",
  // Somebody else sends the same upload, and has sent one of our parts again.
  InvalidPart: "upload gone",
  InvalidRange: "beyond the end",
};
const CREDENTIALS = new Set(
  [
    "CredentialsProviderError",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidToken",
  ].concat([
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "TokenProviderError",
    "UnrecognizedClientException",
  ]),
);
const AWAY = new Set(
  ["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH"].concat([
    "ENETUNREACH",
    "ECONNABORTED",
    "ERR_STREAM_PREMATURE_CLOSE",
    "EPROTO",
    "UND_ERR_SOCKET",
  ]),
);
const NETWORK_MEND = "See whether the endpoint and the network to it are up, then try again.";

/** The failure of a call, as our own. */
export function asFault(error: unknown, call: S3Call, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (!(error instanceof Error) || error instanceof S3Answer) return error;
  const { name, code, $metadata: metadata = {} } = error as SdkError;
  // What the SDK adds in further lines is for its own users.
  const [message = ""] = error.message.split("\n");
  const status = metadata.httpStatusCode;
  if (name === "NoSuchBucket") return noBucket(call);
  const kind = KINDS[name] ?? (status === 412 ? "changed" : undefined);
  if (kind !== undefined) return new S3Answer(kind, metadata.attempts ?? 1, call);
  const slim = new Error(`${name}${status === undefined ? "" : ` (${status})`}: ${message}`);
  const what = `S3 ${call.operation} of ${call.key === undefined ? call.bucket : `${call.bucket}/${call.key}`}`;
  if (CREDENTIALS.has(name)) {
    return new BackendRefused(
      `The credentials for ${call.endpoint} are missing, wrong or expired (${name}).`,
      "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE or `?profile=`, or run `aws sso login`.",
      slim,
    );
  }
  if (name === "RequestTimeTooSkewed" || name === "RequestExpired") {
    return new BackendRefused(
      `The clock of this host and that of ${call.endpoint} differ too much (${name}).`,
      "Set this host's clock, for instance by NTP.",
      slim,
    );
  }
  if (status === 403 || name === "AccessDenied") return denied(call, slim);
  if (isCertificateFault(code)) {
    return new BackendRefused(
      `The certificate of ${call.endpoint} is not trusted (${String(code)}).`,
      "Give its authority by NODE_EXTRA_CA_CERTS before the daemon starts.",
      slim,
    );
  }
  if (
    status === 301 ||
    name === "AuthorizationHeaderMalformed" ||
    name === "IllegalLocationConstraintException"
  ) {
    return new BackendRefused(
      `The bucket ${call.bucket} is in another region.`,
      "Give it by `?region=`.",
      slim,
    );
  }
  if (message === "Region is missing") {
    return new BackendRefused("No region is given for S3.", "Give it by `?region=` or AWS_REGION.", slim);
  }
  const throttled = status === 429 || status === 503 || name === "SlowDown";
  if (throttled)
    return new BackendUnavailable(`${what}: ${call.endpoint} is too busy.`, "Try again later.", slim);
  // Node's HTTP parser.
  const isNoHttp = String(code).startsWith("HPE_");
  if (
    name === "TimeoutError" ||
    AWAY.has(String(code)) ||
    isNoHttp ||
    (status !== undefined && status >= 500 && status !== 501)
  ) {
    const how =
      status === undefined
        ? name === "TimeoutError"
          ? "does not answer"
          : isNoHttp
            ? "does not speak HTTP"
            : String(code)
        : `answered ${status}`;
    return new BackendUnavailable(`${what}: ${call.endpoint} ${how}.`, NETWORK_MEND, slim);
  }
  if (status === undefined) return error;
  return new BackendRefused(
    `${what}: ${call.endpoint} answered ${name} (${status}): ${message}`,
    unknownMend(status),
    slim,
  );
}

function noBucket(call: S3Call): BackendRefused {
  return new BackendRefused(
    `The bucket ${call.bucket} does not exist at ${call.endpoint}.`,
    "Create it, or mend bucket, region or endpoint in the registry's spec.",
  );
}

function denied(call: S3Call, cause: Error): BackendRefused {
  const action = PERMISSIONS[call.operation] ?? call.operation;
  const place = call.key === undefined ? call.bucket : `${call.bucket}/${call.key}`;
  return new BackendRefused(
    `S3 refuses ${action} on ${place}.`,
    call.operation === "HeadObject"
      ? // Its answers have no body that would tell one from the other.
        `See whether the credentials are right; if so, grant ${action} as the policies in docs/registry-policies.md do.`
      : `Grant ${action} as the policies in docs/registry-policies.md do.`,
    cause,
  );
}

function isCertificateFault(code: unknown): boolean {
  return typeof code === "string" && /^(?:CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_)/.test(code);
}

function unknownMend(status: number): string {
  return status === 501
    ? "The server lacks what a registry needs; `?checksum=md5` helps those that know no CRC32 checksums."
    : "See what the server says, and whether it speaks all of S3.";
}
