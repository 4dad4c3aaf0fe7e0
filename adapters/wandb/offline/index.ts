/**
 * Runs in a folder, as W&B's own client writes them in its offline mode: `wandb sync FOLDER/wandb/offline-run-*`
 * brings them to a server, artifacts and all.
 */
import type { AdapterContext, TrackerAdapter } from "@pipekit/adapters/tracker";
import type { OfflineSpec } from "../spec.ts";
import { WandbOfflineAdapter } from "./adapter.ts";

export function connectOffline(spec: OfflineSpec, context: AdapterContext): TrackerAdapter {
  return new WandbOfflineAdapter(spec, context);
}
