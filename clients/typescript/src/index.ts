/**
 * `@pipekit/experiment`: track runs, resolve, load and watch models through the local daemon, which is found or
 * started on demand.
 *
 *     import { connect } from "@pipekit/experiment";
 *     const client = await connect();
 *     await client.withRun({ name: "demo" }, async (run) => run.log({ loss: 0.5 }));
 *     await client.registry().load("production", { toFile: "weights.bin" });
 *     client.close();
 *
 * Failures are PipekitErrors with a `code`, a sentence, and a `mend` that says what to do. Every call takes an
 * AbortSignal and then rejects with the signal's reason.
 */

export {
  type Artifact,
  type AuditEntry,
  type BackupMade,
  type ConfigNode,
  ConfigNodeKind,
  type ConfigProblem,
  type CopiedModel,
  type CopiedTag,
  type CopySummary,
  type Dataset,
  type DatasetEntry,
  DatasetState,
  type DatasetTransfer,
  type DeadLetter,
  type DiffEntry,
  type DiffResponse,
  type FailureCode,
  type GcEntry,
  type GcSummary,
  type HelloResponse,
  type ImportedRun,
  ImportOutcome,
  type ImportRunsResponse,
  type Model,
  type ParseConfigResponse,
  type Pin,
  PipekitError,
  type Progress,
  type PruneResponse,
  type ReadHydraRunResponse,
  type RedriveDeadLettersResponse,
  type ResolveTagResponse,
  type Run,
  type RunGroup,
  type RunMember,
  RunState,
  type SeriesSummary,
  type Sink,
  SinkState,
  type StatusResponse,
  type SyncResponse,
  type TagMove,
  type TensorDiff,
  type VerifyAuditResponse,
  type VerifyResponse,
} from "@pipekit/proto";
export { AuditCalls, type AuditHead, type AuditQuery } from "./audit.ts";
export type { BackupOptions } from "./backup.ts";
export type { CallSettings } from "./calls.ts";
export { VERSION } from "./channel.ts";
export {
  Client,
  connect,
  type ListRunsOptions,
  type SinkReport,
  type StartRunOptions,
} from "./client.ts";
export type { ConfigOptions, Configs, ParseConfigOptions } from "./configs.ts";
export type { ConnectOptions } from "./connection.ts";
export {
  type CheckoutOptions,
  type DatasetCallSettings,
  Datasets,
  type PullOptions,
  type PushOptions,
} from "./datasets.ts";
export type {
  DeadLetterQuery,
  DeliveryCalls,
  ImportRunsOptions,
  PruneOptions,
  ReadDeadLetter,
  SyncOptions,
} from "./delivery.ts";
export { type Env, endpointName, runtimeFolder, socketPath, stateFolder } from "./folders.ts";
export { type GroupOptions, groupRunId } from "./group.ts";
export type { MetricSeries, MetricsQuery, MetricUpdate, WatchMetricsQuery } from "./metrics.ts";
export type { OnProgress } from "./progress.ts";
export { Registry } from "./registry.ts";
export type { RegistryDescription } from "./registry-calls.ts";
export type { CopyPart } from "./registry-copies.ts";
export {
  type CopyOptions,
  type DeleteTagOptions,
  defaultActor,
  type ExportOptions,
  type GcOptions,
  type Hashed,
  type HashOptions,
  type ImportOptions,
  type KeepPolicy,
  type ListModelsOptions,
  type Loaded,
  type LoadOptions,
  type OperatorState,
  type PinOptions,
  type RollbackOptions,
  type Stored,
  type StoreOptions,
  type TagOptions,
  type VerifyOptions,
  type WatchOptions,
} from "./registry-types.ts";
export type { GcPart } from "./registry-upkeep.ts";
export { RunWriter, type WaitSettings } from "./run.ts";
