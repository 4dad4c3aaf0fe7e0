/** Why a value cannot be resolved. */
export interface FaultOptions {
  /** Such as `interpolation`, `cycle`, `resolver`, `secret`. */
  readonly code: string;
  /** What the value does, to follow its path in a sentence: "points to `a.b`, which is not there". */
  readonly what: string;
  readonly mend: string;
  /** False for what only the app could tell. */
  readonly isError: boolean;
}

/** A value cannot be resolved. Holds no value of a secret. */
export class Unresolved extends Error {
  readonly code: string;
  readonly what: string;
  readonly mend: string;
  readonly isError: boolean;

  constructor({ code, what, mend, isError }: FaultOptions) {
    super(what);
    this.code = code;
    this.what = what.length > MAX_WHAT ? `${what.slice(0, MAX_WHAT)}...` : what;
    this.mend = mend;
    this.isError = isError;
  }

  /** The same, seen by a value that leads to the one at `path`. */
  through(path: string): Unresolved {
    if (this.code === "cycle") return this;
    return new Unresolved({ ...this, what: `leads to \`${path}\`, which ${this.what}` });
  }
}

const MAX_WHAT = 400;

/** An interpolation that OmegaConf would refuse. */
export function refused(what: string, mend: string): Unresolved {
  return new Unresolved({ code: "interpolation", what, mend, isError: true });
}

/** What only the app, while it runs, can tell: its text stays. */
export function unknown(code: string, what: string, mend: string): Unresolved {
  return new Unresolved({ code, what, mend, isError: false });
}
