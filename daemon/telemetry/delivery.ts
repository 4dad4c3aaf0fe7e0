import { SpanKind } from "@opentelemetry/api";
import type { Answer, DeliveryObserver, ObservedCall, Setback } from "../delivery/index.ts";
import type { Instruments } from "./instruments.ts";
import { endSpan, type Tracing } from "./tracing.ts";

/** Measures what delivery does. */
export function deliveryObserver(instruments: Instruments, tracing: Tracing | undefined): DeliveryObserver {
  const { callTime, setbacks, deliveredPoints, comparisons, differences } = instruments;

  const timed = async <R extends Answer>(
    { kind, name }: ObservedCall,
    make: () => Promise<R | Setback>,
  ): Promise<R | Setback> => {
    const begun = performance.now();
    let outcome = "stopped";
    try {
      const answer = await make();
      outcome = answer.status;
      return answer;
    } finally {
      const seconds = (performance.now() - begun) / 1000;
      callTime.record(seconds, { "sink.kind": kind, call: name, outcome });
    }
  };

  return {
    call: (call, make) =>
      tracing === undefined ? timed(call, make) : traced(tracing, call, () => timed(call, make)),
    setback: (kind, cause) => setbacks.add(1, { "sink.kind": kind, cause }),
    settled: (kind, { taken, refused }) => {
      if (taken > 0) deliveredPoints.add(taken, { "sink.kind": kind, outcome: "taken" });
      if (refused > 0) deliveredPoints.add(refused, { "sink.kind": kind, outcome: "refused" });
    },
    compared: (kind, differs, { missing, extra }) => {
      comparisons.add(1, { "sink.kind": kind, outcome: differs ? "differs" : "equal" });
      if (missing > 0) differences.add(missing, { "sink.kind": kind, direction: "missing" });
      if (extra > 0) differences.add(extra, { "sink.kind": kind, direction: "extra" });
    },
  };
}

async function traced<R extends Answer>(
  tracing: Tracing,
  { kind, name, runId }: ObservedCall,
  make: () => Promise<R | Setback>,
): Promise<R | Setback> {
  const attributes = { "sink.kind": kind, "pipekit.run.id": runId };
  const span = tracing.start(`delivery ${name}`, SpanKind.CLIENT, attributes);
  let failure: string | undefined = "stopped";
  try {
    const answer = await tracing.within(span, make);
    failure = answer.status === "ok" ? undefined : answer.status;
    return answer;
  } finally {
    endSpan(span, failure);
  }
}
