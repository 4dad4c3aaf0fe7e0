/** The MLflow tracker. Grammar of its specs: spec.ts. */

import type { AdapterContext, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { MlflowAdapter } from "./adapter.ts";
import { MULTIPART, type MultipartLimits } from "./artifacts.ts";
import { endpointOf, formatSpec, parseSpec, SCHEMES } from "./spec.ts";

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
