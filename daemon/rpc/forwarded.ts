import { type Frame, PipekitError, TrackerServiceService } from "@pipekit/proto";
import type { Logger } from "pino";
import type { ContentStore } from "../content/index.ts";
import type { Journal } from "../journal/index.ts";
import { checkFiles, foreignRecords } from "./foreign-records.ts";
import { checkFrameIds } from "./frames.ts";
import { checkFromAfar } from "./host-bound.ts";
import type { Intake } from "./intake.ts";

/** What frames from a stream are journaled with. */
export interface ForwardedParts {
  readonly journal: Pick<Journal, "lastSeq">;
  readonly content: Pick<ContentStore, "adopt" | "ingest" | "hold">;
  readonly intake: Intake;
  readonly log: Logger;
}

/**
 * Journals frames that other daemons have published. Who publishes is on another host: what is bound to this one is left
 * out and noted. Files of artifacts do not come along, but by other ways.
 */
export function forwardedTarget({ journal, content, intake, log }: ForwardedParts) {
  return {
    lastSeq: (writerId: string) => journal.lastSeq(writerId),
    /** Throws PipekitError: what the journal refuses, STORAGE_FULL, DAEMON_UNAVAILABLE. */
    append: async (frame: Frame, signal: AbortSignal): Promise<{ readonly onDisk: Promise<void> }> => {
      checkFrameIds(frame);
      await intake.admit();
      const note = (text: string) => log.warn({ runId: frame.runId }, text);
      const hold = content.hold();
      try {
        const parts = { folder: "", content, hold, note, signal };
        const take = async (artifact: Parameters<typeof checkFiles>[0]) => {
          checkFiles(artifact);
          return { ...artifact, path: "", staged: false };
        };
        const records = await foreignRecords(frame, take, parts);
        const onDisk = intake.appendForeign({ ...frame, records }, sinksOf(frame, intake, note), hold);
        return { onDisk: onDisk.then(() => undefined) };
      } catch (error) {
        hold.release();
        throw error;
      }
    },
  };
}

/** The sinks that a start names, and those of its tracker in our config. */
function sinksOf(frame: Frame, { resolver }: Intake, note: (text: string) => void): string[] {
  const sinks = new Set<string>();
  for (const { record } of frame.records) {
    if (record?.$case !== "start") continue;
    const { sinks: specs, tracker } = record.value;
    const named = tracker === "" ? [] : (resolver.named(tracker) ?? []);
    if (tracker !== "" && named.length === 0) note(`No tracker is named ${tracker} here.`);
    for (const spec of [...specs, ...named]) {
      try {
        if (!named.includes(spec)) checkSpec(spec, record.value);
        for (const canonical of resolver.canonicalSpecs([spec])) sinks.add(canonical);
      } catch (error) {
        if (!(error instanceof PipekitError)) throw error;
        note(`A sink is left out: ${error.message}`);
      }
    }
  }
  return [...sinks];
}

/** Throws INVALID_ARGUMENT for a spec that a caller over TCP could not give either. */
function checkSpec(
  spec: string,
  start: Extract<NonNullable<Frame["records"][0]["record"]>, { $case: "start" }>["value"],
): void {
  const value = { ...start, sinks: [spec] };
  const frame = {
    writerId: "",
    seq: 1,
    runId: "",
    records: [{ record: { $case: "start" as const, value } }],
  };
  checkFromAfar(TrackerServiceService.log.path, { frame });
}
