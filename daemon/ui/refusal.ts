/** Why a request is not answered, and how an answer says so. */
import { type FailureOptions, PipekitError } from "@pipekit/proto";
import type { EditorFailure } from "@pipekit/proto/editor";

/** A request that HTTP's or the page's rules refuse. `field` names the header, parameter or part at fault. */
export class Refusal extends PipekitError {
  /** Status of HTTP. */
  readonly status: number;
  /** More headers of the answer. */
  readonly headers: Readonly<{ [name: string]: string }>;

  constructor(
    status: number,
    message: string,
    options: FailureOptions & { readonly headers?: Readonly<{ [name: string]: string }> } = {},
  ) {
    super("INVALID_ARGUMENT", message, options);
    this.status = status;
    this.headers = options.headers ?? {};
  }
}

/** A failure as it stands in an answer. What is no PipekitError is a fault of ours. */
export function failureOf(error: unknown): EditorFailure {
  const { code, message, field, mend } =
    error instanceof PipekitError
      ? error
      : new PipekitError("INTERNAL", error instanceof Error ? error.message : String(error));
  return { code, message, field, mend };
}
