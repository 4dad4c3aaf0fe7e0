/** The ClearML tracker: an API server, or a session in a folder. Grammar of its specs: spec.ts. */

import type { TrackerKind } from "@pipekit/adapters/tracker";
import { ClearmlAdapter } from "./adapter.ts";
import { OfflineAdapter } from "./offline/adapter.ts";
import { endpointOf, formatSpec, parseSpec, SCHEMES } from "./spec.ts";

export const clearmlTracker: TrackerKind = {
  schemes: SCHEMES,
  parse: (spec) => formatSpec(parseSpec(spec)),
  throttleKey: (spec) => endpointOf(parseSpec(spec)),
  connect: (text, context) => {
    const spec = parseSpec(text);
    return spec.kind === "offline" ? new OfflineAdapter(spec, context) : new ClearmlAdapter(spec, context);
  },
};
