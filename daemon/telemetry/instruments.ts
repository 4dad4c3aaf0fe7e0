import type { Counter, Histogram, Meter, ObservableCounter, ObservableGauge } from "@opentelemetry/api";
import { METRICS, type Metric, SECONDS_BOUNDARIES } from "./catalogue.ts";

interface ByKind {
  readonly counter: Counter;
  readonly histogram: Histogram;
  readonly "observed-counter": ObservableCounter;
  readonly gauge: ObservableGauge;
}

/** Every metric of the catalogue, ready to take values. */
export type Instruments = { readonly [K in keyof typeof METRICS]: ByKind[(typeof METRICS)[K]["kind"]] };

/** Makes the instruments of a meter. */
export function instrumentsOf(meter: Meter): Instruments {
  const made = Object.entries(METRICS).map(([key, metric]) => [key, instrument(meter, metric)]);
  return Object.fromEntries(made) as Instruments;
}

function instrument(meter: Meter, { name, kind, unit, description, labels }: Metric): ByKind[keyof ByKind] {
  const options = { unit, description };
  switch (kind) {
    case "counter": {
      const counter = meter.createCounter(name, options);
      // A series that begins with its first event hides that event from increase() and rate().
      if (labels.length === 0) counter.add(0);
      return counter;
    }
    case "histogram":
      return meter.createHistogram(name, {
        ...options,
        advice: { explicitBucketBoundaries: [...SECONDS_BOUNDARIES] },
      });
    case "observed-counter":
      return meter.createObservableCounter(name, options);
    case "gauge":
      return meter.createObservableGauge(name, options);
  }
}
