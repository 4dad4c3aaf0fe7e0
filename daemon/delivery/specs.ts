import { SpecError, type TrackerKind } from "@pipekit/adapters/tracker";
import { PipekitError } from "@pipekit/proto";

/** The kinds of trackers by the schemes of their specs. */
export class TrackerKinds {
  readonly #byScheme: ReadonlyMap<string, TrackerKind>;

  constructor(kinds: readonly TrackerKind[]) {
    this.#byScheme = new Map(kinds.flatMap((kind) => kind.schemes.map((scheme) => [scheme, kind] as const)));
  }

  /** Kind and endpoint of a canonical spec; undefined when this daemon cannot have made it. */
  target(spec: string): { readonly kind: TrackerKind; readonly key: string } | undefined {
    const kind = this.#of(spec);
    if (kind === undefined) return undefined;
    try {
      return { kind, key: `${kind.schemes[0]} ${kind.throttleKey(spec)}` };
    } catch (error) {
      if (error instanceof SpecError) return undefined;
      throw error;
    }
  }

  /**
   * Canonical forms, in order, each once. Throws PipekitError INVALID_TRACKER_SPEC, whose field is `sinks[i]`. The
   * message never repeats the spec, which may hold a password.
   */
  canonical(specs: readonly string[]): string[] {
    return [...new Set(specs.map((spec, index) => this.#parse(spec, `sinks[${index}]`)))];
  }

  #of(spec: string): TrackerKind | undefined {
    return this.#byScheme.get(schemeOf(spec));
  }

  #parse(spec: string, field: string): string {
    const kind = this.#of(spec);
    if (kind === undefined) throw this.#unknown(spec, field);
    try {
      return kind.parse(spec);
    } catch (error) {
      if (!(error instanceof SpecError)) throw error;
      throw new PipekitError("INVALID_TRACKER_SPEC", error.message, {
        field,
        mend: error.mend,
        cause: error,
      });
    }
  }

  #unknown(spec: string, field: string): PipekitError {
    const scheme = schemeOf(spec);
    const message =
      scheme === ""
        ? "A tracker spec does not begin with a scheme."
        : `No tracker has the scheme \`${scheme.slice(0, 40)}\`.`;
    const mend = `Begin the spec with one of ${[...this.#byScheme.keys()].map((s) => `\`${s}:\``).join(", ")}.`;
    return new PipekitError("INVALID_TRACKER_SPEC", message, { field, mend });
  }
}

function schemeOf(spec: string): string {
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(spec)?.[1]?.toLowerCase() ?? "";
}
