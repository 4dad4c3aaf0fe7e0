/** Why a request is not answered, and how an answer says so. */
import { type FailureOptions, PipekitError } from "@pipekit/proto";

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
