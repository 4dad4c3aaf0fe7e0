/** Runs on a W&B server: api.wandb.ai or one of one's own. */

import type { AdapterContext, TrackerAdapter } from "@pipekit/adapters/tracker";
import type { ServerSpec } from "../spec.ts";
import { WandbServerAdapter } from "./adapter.ts";

export function connectServer(spec: ServerSpec, context: AdapterContext): TrackerAdapter {
  return new WandbServerAdapter(spec, context);
}
