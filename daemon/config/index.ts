/**
 * Settings and folders.
 *
 * Architecture Invariant: the environment and the config file are read here and nowhere else in the daemon; other
 * rooms get values.
 */

export { type CommandLineSettings, type Config, loadConfig } from "./config.ts";
export {
  type Env,
  ensurePrivateFolder,
  type Folders,
  foldersOf,
  type StateLayout,
  socketPathOf,
  stateLayout,
} from "./folders.ts";
export type { RemoteListen } from "./remote.ts";
export type { OtlpConfig, ScrapeConfig, TelemetryConfig } from "./telemetry.ts";
