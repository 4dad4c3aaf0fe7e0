import type { HistoryKind } from "@pipekit/adapters/history";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { ImportRunsRequest, ImportRunsResponse } from "@pipekit/proto";
import type { ContentStore } from "../content/index.ts";
import type { Delivery } from "../delivery/index.ts";
import type { Journal } from "../journal/index.ts";
import { namedSinks } from "./frames.ts";
import type { Intake } from "./intake.ts";

/** What an ImportRuns works with. */
export interface ImportingParts {
  readonly journal: Journal;
  readonly content: ContentStore;
  readonly delivery: Pick<Delivery, "addSinks">;
  readonly intake: Intake;
  readonly sources: ImportSources;
}

/** Where runs can be imported from. */
export interface ImportSources {
  readonly kinds: readonly HistoryKind[];
  readonly context: AdapterContext;
}

/** Brings runs of other tools here. See tracker.proto for what it promises. */
export async function* importing(
  { journal, content, delivery, intake, sources }: ImportingParts,
  request: ImportRunsRequest,
  signal: AbortSignal,
): AsyncGenerator<ImportRunsResponse> {
  const { source, dryRun, only } = request;
  const sinks = namedSinks(request.sinks, "", intake.resolver);
  const trackerSinks = namedSinks([], request.tracker, intake.resolver);
  // Most daemons never import.
  const { importRuns } = await import("../importing/index.ts");
  const parts = {
    ...sources,
    journal,
    append: (frame, specs, held) =>
      intake.appendForeign(frame, specs, content.hold()).finally(() => held?.release()),
    admit: () => intake.admit(),
    addSinks: (runId, specs) => delivery.addSinks(runId, specs),
    ingest: async (path, abort) => {
      const held = content.hold();
      try {
        return { files: await content.ingest(path, { staged: false, hold: held }, abort), held };
      } catch (error) {
        held.release();
        throw error;
      }
    },
  } satisfies Parameters<typeof importRuns>[0];
  yield* importRuns(parts, { source, dryRun, only, sinks, trackerSinks }, signal);
}
