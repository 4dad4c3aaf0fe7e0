/** What importing works with; rpc and the rooms give it. */
import type { HistoryKind, RunHistory } from "@pipekit/adapters/history";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { ArtifactFile, Frame, ImportOutcome } from "@pipekit/proto";
import type { Journal } from "../journal/index.ts";
import type { Held } from "./run-frames.ts";

export interface ImportParts {
  readonly journal: Pick<Journal, "run" | "lastSeq" | "series" | "readMetrics">;
  readonly kinds: readonly HistoryKind[];
  readonly context: AdapterContext;
  /** Appends a frame with the sinks of the run that it may start, and releases what it holds. */
  readonly append: (frame: Frame, sinks: readonly string[], held: Held | undefined) => Promise<unknown>;
  /** Throws when nothing more is taken: STORAGE_FULL, DAEMON_UNAVAILABLE. */
  readonly admit: () => Promise<void>;
  readonly addSinks: (runId: string, specs: readonly string[]) => Promise<unknown>;
  /** Takes in a file or folder, to be kept until it is released. Throws ARTIFACT_UNREADABLE, STORAGE_FULL. */
  readonly ingest: (
    path: string,
    signal: AbortSignal,
  ) => Promise<{ readonly files: ArtifactFile[]; readonly held: Held }>;
}

/** What is to be imported. */
export interface ImportChoice {
  readonly source: string;
  /** Canonical specs that were asked for. */
  readonly sinks: readonly string[];
  /** Canonical specs that a named tracker brings. */
  readonly trackerSinks: readonly string[];
  readonly dryRun: boolean;
  /** Names or ids; empty for all. */
  readonly only: readonly string[];
}

/** What is told while points come. */
export interface Tally {
  pointsRead: number;
  pointsTaken: number;
}

/** What became of a run. */
export interface Taken {
  readonly outcome: ImportOutcome;
  readonly pointsTaken: number;
  /** Whether it goes on at its source. */
  readonly isOpen: boolean;
}

/** What one run is imported with. */
export interface RunImportParts extends ImportParts {
  readonly tool: string;
  readonly history: RunHistory;
  readonly sinks: readonly string[];
  readonly tally: Tally;
  readonly note: (sentence: string) => void;
}
