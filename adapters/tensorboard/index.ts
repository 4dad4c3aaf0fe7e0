/**
 * The TensorBoard tracker: event files that TensorBoard reads, without TensorBoard. Grammar of its specs: spec.ts.
 *
 * What is kept how: a metric is a scalar series (`simple_value`, which every reader takes: a 32-bit float, so a value is
 * rounded to about 7 digits), NaN and infinities included, its step free to repeat or fall. Params are the session of
 * the hparams plugin. Labels, the run's id and artifacts are texts below `pipekit/`; an artifact's bytes stay where they
 * are, since TensorBoard keeps no files.
 */
import type { HistoryKind } from "@pipekit/adapters/history";
import type { AdapterContext, TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { TensorBoardAdapter } from "./adapter.ts";
import { canonicalSpec, folderOf, SCHEME } from "./spec.ts";

export const tensorboardTracker: TrackerKind = {
  schemes: [SCHEME],
  parse: canonicalSpec,
  throttleKey: folderOf,
  connect: (spec: string, context: AdapterContext): TrackerAdapter =>
    new TensorBoardAdapter(folderOf(spec), context),
};

export const tensorboardHistory: HistoryKind = {
  tool: "tensorboard",
  schemes: [SCHEME],
  load: async () => (await import("./importing/index.ts")).reader,
};
