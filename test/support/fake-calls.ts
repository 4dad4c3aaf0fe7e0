/** gRPC handlers of the fake daemon, made of plain functions. */
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import {
  type Frame,
  type LogResponse,
  PipekitError,
  type StoreRequest,
  type StoreWithProgressRequest,
  type StoreWithProgressResponse,
} from "@pipekit/proto";

export type Answer<A> = sendUnaryData<A>;

/** A call that is answered by a stream. */
export interface FakeStream<A> {
  write(message: A): boolean;
  end(): void;
  on(event: string, listener: () => void): unknown;
  emit(event: "error", error: unknown): boolean;
}

export interface FakeDuplex extends FakeStream<LogResponse> {
  on(event: "data", listener: (message: { frame?: Frame }) => void): unknown;
  on(event: string, listener: () => void): unknown;
}

export interface FakeUpload {
  on(event: "data", listener: (message: StoreRequest) => void): unknown;
  on(event: string, listener: () => void): unknown;
}

/** A store that tells its progress. */
export interface FakeStore extends FakeStream<StoreWithProgressResponse> {
  on(event: "data", listener: (message: StoreWithProgressRequest) => void): unknown;
  on(event: string, listener: () => void): unknown;
}

/** Calls `then` when all was sent, and not when the client broke off, which ends the stream too a moment before. */
export function atItsEnd(
  call: { on(event: "end" | "cancelled", listener: () => void): unknown },
  then: () => void,
): void {
  let timer: NodeJS.Timeout | undefined;
  call.on("end", () => {
    timer = setTimeout(then, 20);
  });
  call.on("cancelled", () => clearTimeout(timer));
}

export function unary<Q, A>(handle: (request: Q) => A) {
  return (call: ServerUnaryCall<Q, A>, answer: Answer<A>) => settle(answer, () => handle(call.request));
}

export function settle<A>(answer: Answer<A>, make: () => A): void {
  try {
    answer(null, make());
  } catch (error) {
    answer(error instanceof PipekitError ? error.toServiceError() : (error as Error));
  }
}

export function serverStream<Q, A>(handle: (request: Q) => AsyncGenerator<A>) {
  return async (call: FakeStream<A> & { request: Q }) => {
    try {
      for await (const message of handle(call.request)) call.write(message);
      call.end();
    } catch (error) {
      call.emit("error", error instanceof PipekitError ? error.toServiceError() : error);
    }
  };
}

export function refuse(_call: unknown, answer: Answer<never>): void {
  answer(new PipekitError("INTERNAL", "The fake has no such call.").toServiceError());
}
