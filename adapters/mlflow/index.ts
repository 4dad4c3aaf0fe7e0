/** The MLflow tracker; grammar of its specs: spec.ts. Its registry lies in registry/. */

import type { HistoryKind } from "@pipekit/adapters/history";
import type { AdapterContext, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { MlflowAdapter } from "./adapter.ts";
import { MULTIPART, type MultipartLimits } from "./artifacts.ts";
import { endpointOf, formatSpec, parseSpec, SCHEMES } from "./spec.ts";

export { mlflowRegistry, mlflowRegistryWith } from "./registry/index.ts";

export const mlflowTracker: TrackerKind = mlflowTrackerWith(MULTIPART);

/** The same tracker with other limits for uploads in parts. */
export function mlflowTrackerWith(multipart: MultipartLimits): TrackerKind {
  return {
    schemes: SCHEMES,
    parse: (spec) => formatSpec(parseSpec(spec)),
    throttleKey: (spec) => endpointOf(parseSpec(spec)),
    connect: (spec: string, context: AdapterContext): TrackerAdapter =>
      new MlflowAdapter(parseSpec(spec), context, multipart),
  };
}

export const mlflowHistory: HistoryKind = {
  tool: "mlflow",
  schemes: [...SCHEMES, "mlflow+file", "sqlite"],
  load: async () => (await import("./importing/index.ts")).reader,
};
