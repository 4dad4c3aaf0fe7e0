import type { ServerHttp2Stream } from "node:http2";

/**
 * A stream is told to its server later than it is opened. Where the session was closed in between, the gRPC server's answer to
 * an unknown method would throw (ERR_HTTP2_INVALID_STREAM), where nobody catches it.
 */
export function answerOnlyAlive(stream: ServerHttp2Stream): void {
  const respond = stream.respond.bind(stream);
  stream.respond = (...answer) => {
    if (!stream.destroyed && !stream.closed) respond(...answer);
  };
}
