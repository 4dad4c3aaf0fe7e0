/** The W&B tracker: runs on a server, or in a folder for `wandb sync`. Grammar of its specs: spec.ts. */

import type { HistoryKind } from "@pipekit/adapters/history";
import type { AdapterContext, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { connectOffline } from "./offline/index.ts";
import { connectServer } from "./server/index.ts";
import { endpointOf, formatSpec, parseSpec, SCHEMES } from "./spec.ts";

export const wandbTracker: TrackerKind = {
  schemes: SCHEMES,
  parse: (spec) => formatSpec(parseSpec(spec)),
  throttleKey: (spec) => endpointOf(parseSpec(spec)),
  connect(text: string, context: AdapterContext): TrackerAdapter {
    const spec = parseSpec(text);
    switch (spec.mode) {
      case "server":
        return connectServer(spec, context);
      case "offline":
        return connectOffline(spec, context);
    }
  },
};

export const wandbHistory: HistoryKind = {
  tool: "wandb",
  schemes: ["wandb+offline"],
  load: async () => (await import("./importing/index.ts")).reader,
};
