/**
 * The seam between the daemon and readers of composed configs: YAML with values that refer to each other.
 *
 * Architecture Invariant: an adapter of data sets or configs imports and runs nothing that a file names: whoever opens a
 * stranger's repository or config runs none of the stranger's code. Places in a text count from 0, in UTF-16 code units, as editors
 * do; paths look like `model.layers[0]._target_`, and the root's is empty.
 */

/** A place in a text. */
export interface ConfigPosition {
  readonly line: number;
  readonly character: number;
}

/** A stretch of a text; `end` is not included. */
export interface ConfigRange {
  readonly start: ConfigPosition;
  readonly end: ConfigPosition;
}

/** What a node of a config is; `missing` is a value that must still be given. */
export type ConfigNodeKind = "mapping" | "sequence" | "scalar" | "interpolation" | "missing";

/** One node that stands in the text. What an alias or a merge brings in stands where its anchor is, and is none. */
export interface ConfigNodeInfo {
  readonly path: string;
  readonly kind: ConfigNodeKind;
  /** Its key; undefined for the root and items of a sequence. */
  readonly key: ConfigRange | undefined;
  readonly value: ConfigRange;
  /** JSON of the value resolved; empty for what cannot be resolved, and for a mapping or sequence, whose items tell it. */
  readonly resolvedJson: string;
  /** Target of a mapping that has one, else empty. */
  readonly target: string;
}

/** Something wrong with a config. */
export interface ConfigProblem {
  /** Such as `syntax`, `duplicate_key`, `missing`, `interpolation`, `cycle`, `target`. */
  readonly code: string;
  /** Path of the node at fault. */
  readonly path: string;
  /** One sentence: what is wrong. Holds no value of a secret. */
  readonly message: string;
  /** One sentence: what to do. */
  readonly mend: string;
  readonly range: ConfigRange;
  /** False for what a run would survive. */
  readonly isError: boolean;
}

/** A config and what its values are read against. */
export interface ConfigText {
  readonly text: string;
  /** The environment that the config may read; what is not in it counts as not set. */
  readonly env: Readonly<{ [name: string]: string }>;
  /** JSON object that `${hydra:...}` reads; empty for none. */
  readonly hydraJson: string;
}

/** What stands in a text. */
export interface ParsedConfig {
  /** The whole config as JSON; what cannot be resolved stands as in the text. */
  readonly resolvedJson: string;
  /** In the order of the text, the root first. */
  readonly nodes: readonly ConfigNodeInfo[];
  /** In the order of the text. */
  readonly problems: readonly ConfigProblem[];
}

/** Which run's folder to read. */
export interface ConfigRunFolder {
  /** Absolute path of the folder of configs, or of the folder that holds it. */
  readonly folder: string;
  readonly env: Readonly<{ [name: string]: string }>;
}

/** What a run of an app left. Empty texts for what is unknown. */
export interface ConfigRun {
  readonly configJson: string;
  readonly overrides: readonly string[];
  readonly jobName: string;
  readonly configName: string;
  readonly version: string;
  readonly problems: readonly ConfigProblem[];
}

/** A reader of composed configs. Calls throw ConfigFault, or what the signal was aborted with. */
export interface ConfigReader {
  parse(config: ConfigText, signal: AbortSignal): Promise<ParsedConfig>;
  readRun(run: ConfigRunFolder, signal: AbortSignal): Promise<ConfigRun>;
}

/** What went wrong: an `argument`; a `config` that is none; a folder or file that is `unreadable`. */
export type ConfigFaultKind = "argument" | "config" | "unreadable";

/** A failure that a person can understand. The message is one sentence; it holds no secret. */
export class ConfigFault extends Error {
  readonly kind: ConfigFaultKind;
  /** Request field, or file and path, at fault. */
  readonly field: string;
  /** One sentence: what to do about it. */
  readonly mend: string;

  constructor(kind: ConfigFaultKind, message: string, field: string, mend: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "ConfigFault";
    this.kind = kind;
    this.field = field;
    this.mend = mend;
  }
}
