import type { Answer, JobName, Setback } from "./exchange.ts";

/** A call to a tool. */
export interface ObservedCall {
  readonly name: JobName;
  /** First scheme of the tool's kind, such as `mlflow`. */
  readonly kind: string;
  readonly runId: string;
}

/** Who counts what delivery does. Nothing that it does may fail, or wait. */
export interface DeliveryObserver {
  /** Makes the call; its answer, or what it throws, is passed on. */
  call<R extends Answer>(call: ObservedCall, make: () => Promise<R | Setback>): Promise<R | Setback>;
  /** A call must be made again. */
  setback(kind: string, cause: Setback["cause"]): void;
  /** Points went to a tool, or were refused for good. */
  settled(kind: string, points: { readonly taken: number; readonly refused: number }): void;
  /** The counts of an ended run were compared; `missing` are points taken and not shown, `extra` those shown beyond. */
  compared(
    kind: string,
    differs: boolean,
    points: { readonly missing: number; readonly extra: number },
  ): void;
}

/** An endpoint with a credential, as sinks share it. */
export interface EndpointState {
  readonly kind: string;
  /** Whether it was given up for now, and is only probed. */
  readonly isOpen: boolean;
}
