/** Turns a client's frame into one that the journal may keep: checks every record, takes in artifacts. */
import {
  type Artifact,
  checkColumns,
  type Frame,
  PipekitError,
  type Record,
  type RunStart,
} from "@pipekit/proto";
import { type ContentStore, type Hold, isPassing } from "../content/index.ts";

/** What a checked frame needs besides itself. */
export interface CheckedFrame {
  /** The frame without the records that can never be accepted. */
  readonly frame: Frame;
  /** Canonical specs of the run's sinks; empty unless the frame starts a run. */
  readonly sinks: readonly string[];
  /** The first reason for which something was left out. */
  readonly rejection: PipekitError | undefined;
  /** Staged files to remove once the frame is on disk. */
  readonly staged: readonly string[];
  /** Protects the files of its artifacts until the frame is on disk. */
  readonly hold: Hold;
}

/** Where names and specs of trackers are resolved. */
export interface SinkResolver {
  /** Canonical specs, without repeats. Throws INVALID_TRACKER_SPEC. */
  canonicalSpecs(specs: readonly string[]): string[];
  /** Specs of a tracker named in the config; undefined when there is none. */
  named(tracker: string): readonly string[] | undefined;
  /** Names that `named` knows. */
  readonly names: readonly string[];
}

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const ARTIFACT_NAME_MAX = 512;

/** Throws INVALID_FRAME unless the ids are ULIDs and the seq is a positive safe integer. */
export function checkFrameIds(frame: Frame): void {
  if (!ULID.test(frame.writerId)) throw invalidFrame("writer_id", "The writer id is not a ULID.");
  if (!ULID.test(frame.runId)) throw invalidFrame("run_id", "The run id is not a ULID.");
  if (!Number.isSafeInteger(frame.seq) || frame.seq < 1)
    throw invalidFrame("seq", "A frame's seq starts at 1.");
}

/**
 * Checks a frame and ingests its artifacts. A record at fault is left out and named in `rejection`, so that one bad
 * value costs itself and nothing else. Throws INVALID_FRAME, and STORAGE_FULL when the content store has no room.
 */
export async function checkFrame(
  frame: Frame,
  resolver: SinkResolver,
  content: ContentStore,
  hold: Hold,
  signal: AbortSignal,
): Promise<CheckedFrame> {
  checkFrameIds(frame);
  const records: Record[] = [];
  const sinks: string[] = [];
  const staged: string[] = [];
  let rejection: PipekitError | undefined;
  for (const record of frame.records) {
    try {
      const fact = record.record;
      if (fact === undefined) throw invalidFrame("records", "A record is empty.");
      if (fact.$case === "start") {
        const outcome = resolveSinks(fact.value, resolver);
        sinks.push(...outcome.sinks);
        rejection ??= outcome.rejection;
      }
      checkFact(fact);
      if (fact.$case === "artifact") {
        const artifact = await takeArtifact(fact.value, content, hold, signal);
        if (fact.value.staged) staged.push(fact.value.path);
        records.push({ record: { $case: "artifact", value: artifact } });
      } else {
        records.push(record);
      }
    } catch (error) {
      // What says nothing of the record is no reason to leave it out: the frame is sent again.
      const isOurs = !(error instanceof PipekitError) || error.code === "STORAGE_FULL" || isPassing(error);
      if (isOurs) throw error;
      rejection ??= error;
    }
  }
  return { frame: { ...frame, records }, sinks, rejection, staged, hold };
}

/** Checks what of a record needs no file. Throws INVALID_CONFIG, INVALID_METRIC, INVALID_ARGUMENT. */
export function checkFact(fact: NonNullable<Record["record"]>): void {
  switch (fact.$case) {
    case "start":
      checkJsonObject(fact.value.configJson || "{}", "config_json");
      break;
    case "params":
      checkJsonObject(fact.value.paramsJson, "params_json");
      break;
    case "metrics":
      checkColumns(fact.value);
      break;
    case "artifact":
      checkArtifactName(fact.value.name);
      break;
    default:
      break;
  }
}

/**
 * Canonical specs of the sinks that are named directly or by a tracker of the config.
 * Throws INVALID_TRACKER_SPEC with field `sinks[i]` or `tracker`.
 */
export function namedSinks(specs: readonly string[], tracker: string, resolver: SinkResolver): string[] {
  const direct = resolver.canonicalSpecs(specs);
  if (tracker === "") return direct;
  return [...new Set([...direct, ...resolver.canonicalSpecs(trackerSpecs(tracker, resolver))])];
}

/** Specs of a tracker of the config. Throws INVALID_TRACKER_SPEC. */
function trackerSpecs(tracker: string, resolver: SinkResolver): readonly string[] {
  const named = resolver.named(tracker);
  if (named !== undefined) return named;
  const known = resolver.names.length > 0 ? resolver.names.join(", ") : "none";
  throw new PipekitError("INVALID_TRACKER_SPEC", `No tracker is named ${tracker}.`, {
    field: "tracker",
    mend: `Name it under \`trackers\` in the daemon's config; known names: ${known}.`,
  });
}

/**
 * Sinks of a run. A spec at fault is reported and left out rather than costing the run: a start that was spooled
 * while no daemon answered must not lose what follows it.
 */
function resolveSinks(
  start: RunStart,
  resolver: SinkResolver,
): { sinks: string[]; rejection?: PipekitError } {
  let rejection: PipekitError | undefined;
  const orNone = <T>(resolve: () => readonly T[]): readonly T[] => {
    try {
      return resolve();
    } catch (error) {
      if (!(error instanceof PipekitError)) throw error;
      rejection ??= error;
      return [];
    }
  };
  const named = start.tracker === "" ? [] : orNone(() => trackerSpecs(start.tracker, resolver));
  const specs = [...start.sinks, ...named];
  const sinks = specs.flatMap((spec) => orNone(() => resolver.canonicalSpecs([spec])));
  return { sinks: [...new Set(sinks)], ...(rejection && { rejection }) };
}

/** Ingests an artifact; the answer has files with digests and no path. */
async function takeArtifact(
  artifact: Artifact,
  content: ContentStore,
  hold: Hold,
  signal: AbortSignal,
): Promise<Artifact> {
  if (artifact.uri !== "") return { ...artifact, path: "", staged: false, files: [] };
  const files = await content.ingest(artifact.path, { staged: artifact.staged, hold }, signal);
  return { name: artifact.name, path: "", staged: false, files, uri: "" };
}

function checkArtifactName(name: string): void {
  const parts = name.split("/");
  const sane = name.length <= ARTIFACT_NAME_MAX && !/[\\\0]/.test(name);
  if (!sane || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new PipekitError("INVALID_ARGUMENT", "The artifact's name is not a plain relative path.", {
      field: "artifact.name",
      mend: "Use a name such as `plots/loss.png`.",
    });
  }
}

function checkJsonObject(text: string, field: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PipekitError("INVALID_CONFIG", `${field} is not JSON.`, {
      field,
      mend: "Send a JSON object; NaN and Infinity are not JSON.",
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new PipekitError("INVALID_CONFIG", `${field} is not a JSON object.`, {
      field,
      mend: "Send an object.",
    });
  }
}

function invalidFrame(field: string, message: string): PipekitError {
  return new PipekitError("INVALID_FRAME", message, {
    field,
    mend: "Update the client: this is a defect of it.",
  });
}
