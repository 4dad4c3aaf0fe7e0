/**
 * The seam between the daemon and tools that keep versions of data sets.
 *
 * A repository is a folder on this host; a version of a file or folder in it has a hash, which is the tool's own. What is
 * said here of paths holds everywhere: those that are told are absolute, or relative to the repository's root with forward
 * slashes; those that are given may be relative to the folder by which the repository was opened.
 */

/** How far a call is. Bytes and files of the phase; 0 in all when unknown. */
export interface DatasetProgress {
  /** `hashing`, `saving`, `sending`, `fetching`, `linking`. */
  readonly phase: string;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly filesDone: number;
  readonly filesTotal: number;
}

/** What every long call is given. */
export interface DatasetWork {
  readonly signal: AbortSignal;
  /** Told often; must not throw. */
  readonly onProgress: (progress: DatasetProgress) => void;
}

/** One version of a file or folder. */
export interface DatasetVersion {
  readonly hash: string;
  /** Lowercase hex, as dataset.proto defines it; empty when only recorded hashes were read. */
  readonly sha256: string;
  /** Bytes of all files. */
  readonly size: number;
  /** Number of files; 1 for a file. */
  readonly files: number;
  /** Where it lies; empty when it lies nowhere. */
  readonly path: string;
  /** The file that records it; empty when none does. */
  readonly recordedIn: string;
}

/** How a recorded version and the workspace differ. */
export type DatasetStateName = "unchanged" | "modified" | "missing";

/** One recorded version beside what lies in the workspace. */
export interface DatasetComparison {
  readonly recorded: DatasetVersion;
  readonly state: DatasetStateName;
  /** Hash of what lies in the workspace; empty when nothing does. */
  readonly workspaceHash: string;
  /** Objects of the recorded version that the cache lacks. */
  readonly missingInCache: number;
}

/** What a push, pull or checkout did. */
export interface DatasetTransfer {
  /** Objects sent, fetched or linked. */
  readonly objects: number;
  readonly bytes: number;
  /** Objects that were there already. */
  readonly present: number;
  readonly datasets: readonly DatasetVersion[];
}

/** Chooses what a push or pull is about. `targets` empty: all. `remote` empty: the default one. */
export interface DatasetChoice {
  readonly targets: readonly string[];
  readonly remote: string;
}

/** What lies where: the recorded versions of targets, or the data of `hash` at `path` when `hash` is not empty. */
export interface DatasetCheckout extends DatasetChoice {
  readonly hash: string;
  readonly path: string;
  /** Gives up unsaved changes. */
  readonly force: boolean;
}

/** An open repository. Every call throws DatasetFault, or what the signal was aborted with. */
export interface DatasetRepository {
  /** Real path of its root folder. */
  readonly root: string;
  add(path: string, work: DatasetWork): Promise<DatasetVersion>;
  hash(path: string, work: DatasetWork): Promise<DatasetVersion>;
  status(targets: readonly string[], work: DatasetWork): Promise<readonly DatasetComparison[]>;
  push(choice: DatasetChoice, work: DatasetWork): Promise<DatasetTransfer>;
  pull(choice: DatasetChoice & { readonly force: boolean }, work: DatasetWork): Promise<DatasetTransfer>;
  checkout(choice: DatasetCheckout, work: DatasetWork): Promise<DatasetTransfer>;
}

/** A tool that keeps versions of data sets. */
export interface DatasetTool {
  /** Opens the repository that a folder is, or lies in. Throws DatasetFault. */
  open(folder: string): Promise<DatasetRepository>;
  /** Hashes a file or folder that need not lie in a repository. Throws DatasetFault. */
  hash(path: string, work: DatasetWork): Promise<DatasetVersion>;
}

/** What a dataset tool is given to work with. */
export interface DatasetContext {
  /** The environment in which settings and credentials are found. */
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** A folder of this host, made by the caller, for what can be computed anew. */
  readonly cacheFolder: string;
  /** Tells a person something, one sentence. */
  readonly note: (sentence: string) => void;
}

/**
 * What went wrong: `invalid` an argument or a setting; `unreadable` data in the workspace; `not-found` data that nobody
 * has; `corrupt` data or a file of the tool's; `locked` by another process; `changed` data that would be lost; `remote`
 * that does not answer or permit.
 */
export type DatasetFaultKind =
  | "invalid"
  | "unreadable"
  | "not-found"
  | "corrupt"
  | "locked"
  | "changed"
  | "remote";

/** A failure that a person can understand. The message is one sentence; it holds no secret. */
export class DatasetFault extends Error {
  readonly kind: DatasetFaultKind;
  /** Request field, file and key, or path at fault. */
  readonly field: string;
  /** One sentence: what to do about it. */
  readonly mend: string;

  constructor(
    kind: DatasetFaultKind,
    message: string,
    { field, mend, cause }: { readonly field: string; readonly mend: string; readonly cause?: unknown },
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "DatasetFault";
    this.kind = kind;
    this.field = field;
    this.mend = mend;
  }
}
