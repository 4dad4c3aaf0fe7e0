/** The wire contract: generated messages and services, typed failures, and the packing of metric columns. */

export * from "./aborting.ts";
export * from "./columns.ts";
export * from "./failure.ts";
export * from "./generated/pipekit/experiment/v1/config.ts";
export * from "./generated/pipekit/experiment/v1/daemon.ts";
export * from "./generated/pipekit/experiment/v1/dataset.ts";
export * from "./generated/pipekit/experiment/v1/errors.ts";
export * from "./generated/pipekit/experiment/v1/registry.ts";
export * from "./generated/pipekit/experiment/v1/tracker.ts";
export * from "./nearest-name.ts";
export * from "./protocol.ts";
export * from "./ref.ts";
export * from "./settling.ts";
