import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ErrorCode, ErrorDetail } from "./generated/pipekit/experiment/v1/errors.ts";

/** Name of a failure, the same in the proto, TypeScript and Python: `REF_NOT_FOUND`, `TAG_EXISTS`, ... */
export type FailureCode = keyof typeof GRPC_STATUS;

/** Trailer that carries a serialized ErrorDetail. */
export const ERROR_TRAILER = "pipekit-error-bin";

/** The gRPC status each failure travels under. */
const GRPC_STATUS = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  INVALID_CONFIG: status.INVALID_ARGUMENT,
  INVALID_METRIC: status.INVALID_ARGUMENT,
  INVALID_TRACKER_SPEC: status.INVALID_ARGUMENT,
  INVALID_REGISTRY_SPEC: status.INVALID_ARGUMENT,
  REF_INVALID: status.INVALID_ARGUMENT,
  TAG_NAME_INVALID: status.INVALID_ARGUMENT,
  NOT_AN_OPERATOR: status.INVALID_ARGUMENT,
  INVALID_FRAME: status.INVALID_ARGUMENT,
  REF_NOT_FOUND: status.NOT_FOUND,
  RUN_NOT_FOUND: status.NOT_FOUND,
  ARTIFACT_UNREADABLE: status.NOT_FOUND,
  TAG_EXISTS: status.ALREADY_EXISTS,
  RUN_EXISTS: status.ALREADY_EXISTS,
  RUN_ENDED: status.FAILED_PRECONDITION,
  RUN_PRUNED: status.FAILED_PRECONDITION,
  REF_AMBIGUOUS: status.FAILED_PRECONDITION,
  PROTOCOL_MISMATCH: status.FAILED_PRECONDITION,
  TAG_CONFLICT: status.ABORTED,
  CORRUPT_MODEL: status.DATA_LOSS,
  DAEMON_UNAVAILABLE: status.UNAVAILABLE,
  STORAGE_FULL: status.RESOURCE_EXHAUSTED,
  UNSAFE_FOLDER: status.FAILED_PRECONDITION,
  INVALID_DAEMON_CONFIG: status.FAILED_PRECONDITION,
  UNTRUSTED_MODULE: status.PERMISSION_DENIED,
  CORRUPT_JOURNAL: status.DATA_LOSS,
  REGISTRY_REFUSED: status.FAILED_PRECONDITION,
  PREVIEW_MISMATCH: status.DATA_LOSS,
  REGISTRY_UNAVAILABLE: status.UNAVAILABLE,
  GC_ABORTED: status.ABORTED,
  CORRUPT_ARCHIVE: status.DATA_LOSS,
  DATASET_NOT_FOUND: status.NOT_FOUND,
  CORRUPT_DATASET: status.DATA_LOSS,
  DATASET_LOCKED: status.ABORTED,
  DATASET_CHANGED: status.FAILED_PRECONDITION,
  DATASET_REMOTE_UNAVAILABLE: status.UNAVAILABLE,
  CORRUPT_ARTIFACT: status.DATA_LOSS,
  FORMAT_TOO_NEW: status.FAILED_PRECONDITION,
  ENVIRONMENT_DRIFT: status.FAILED_PRECONDITION,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  QUOTA_EXCEEDED: status.RESOURCE_EXHAUSTED,
  CORRUPT_AUDIT: status.DATA_LOSS,
  CORRUPT_BACKUP: status.DATA_LOSS,
  SOURCE_UNREADABLE: status.NOT_FOUND,
  INTERNAL: status.INTERNAL,
} as const;

/** What to add to a failure's message. */
export interface FailureOptions {
  /** The request field, key or path at fault. */
  field?: string;
  /** One sentence: what to do about it. */
  mend?: string;
  cause?: unknown;
}

/** A typed failure. `message` is one sentence that says what is wrong, `mend` one that says what to do. */
export class PipekitError extends Error {
  readonly code: FailureCode;
  readonly field: string;
  readonly mend: string;

  constructor(code: FailureCode, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "PipekitError";
    this.code = code;
    this.field = options.field ?? "";
    this.mend = options.mend ?? "";
  }

  /** The failure as it stands in an ErrorDetail message. */
  toDetail(): ErrorDetail {
    return {
      code: ErrorCode[`ERROR_CODE_${this.code}`],
      message: this.message,
      field: this.field,
      mend: this.mend,
    };
  }

  /** The failure as a gRPC server ends a call with it. */
  toServiceError(): Partial<ServiceError> {
    const metadata = new Metadata();
    metadata.set(ERROR_TRAILER, Buffer.from(ErrorDetail.encode(this.toDetail()).finish()));
    return { code: GRPC_STATUS[this.code], details: this.message, metadata };
  }

  /** Reads an ErrorDetail; an unknown code becomes INTERNAL. */
  static fromDetail(detail: ErrorDetail, cause?: unknown): PipekitError {
    const options: FailureOptions = { field: detail.field, mend: detail.mend, cause };
    return new PipekitError(codeName(detail.code), detail.message, options);
  }

  /** Reads the failure out of a rejected gRPC call. A call that never reached the daemon is DAEMON_UNAVAILABLE. */
  static fromServiceError(error: ServiceError): PipekitError {
    const raw = error.metadata?.get(ERROR_TRAILER)[0];
    if (raw !== undefined && typeof raw !== "string") {
      return PipekitError.fromDetail(ErrorDetail.decode(raw), error);
    }
    if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) {
      return new PipekitError("DAEMON_UNAVAILABLE", `The daemon does not answer: ${error.details}.`, {
        mend: "Start it with `pkx serve`, or look at `pkx doctor`.",
        cause: error,
      });
    }
    return new PipekitError("INTERNAL", error.details || error.message, { cause: error });
  }
}

function codeName(code: ErrorCode): FailureCode {
  for (const name of Object.keys(GRPC_STATUS) as FailureCode[]) {
    if (ErrorCode[`ERROR_CODE_${name}`] === code) return name;
  }
  return "INTERNAL";
}
