/** What a collection keeps besides what is tagged, pinned and leased. */
import { type GcPolicy, PipekitError } from "@pipekit/proto";
import { type MetadataFilter, metadataFilter } from "../metadata-filter.ts";

const HOUR_US = 3_600_000_000;

/** Times in microseconds. */
export interface Policy {
  /** The newest so many models. */
  readonly keepLast: number;
  /** Models stored within this time. */
  readonly minAgeUs: number;
  /** Models to which one of the last so many moves of a tag led. */
  readonly keepMoves: number;
  /** Models to which a tag pointed within this time. */
  readonly keepMovedUs: number;
  /** Models whose metadata fits one of these. */
  readonly filters: readonly MetadataFilter[];
}

/** A model counts as young for this long, unless the policy says otherwise. */
export const DEFAULT_MIN_AGE_US = 24 * HOUR_US;
const DEFAULT_KEEP_MOVES = 10;
const DEFAULT_KEEP_MOVED_US = 30 * 24 * HOUR_US;

/** Throws INVALID_ARGUMENT, INVALID_CONFIG. */
export function checkPolicy(given: GcPolicy | undefined): Policy {
  return {
    keepLast: whole("keep_last", given?.keepLast ?? 0),
    minAgeUs: whole("min_age_us", given?.minAgeUs ?? DEFAULT_MIN_AGE_US),
    keepMoves: whole("keep_moves", given?.keepMoves ?? DEFAULT_KEEP_MOVES),
    keepMovedUs: whole("keep_moved_us", given?.keepMovedUs ?? DEFAULT_KEEP_MOVED_US),
    filters: (given?.keepMetadataJson ?? []).map((text, i) => filter(text, `keep_metadata_json[${i}]`)),
  };
}

function whole(field: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new PipekitError("INVALID_ARGUMENT", `\`${field}\` is ${value}.`, {
    field,
    mend: "Give a whole number of at least 0.",
  });
}

function filter(text: string, field: string): MetadataFilter {
  const made = metadataFilter(text, field);
  if (made.length > 0) return made;
  throw new PipekitError(
    "INVALID_CONFIG",
    `\`${field}\` has no entries, so that it would keep every model.`,
    {
      field,
      mend: 'Give a JSON object with entries, such as {"stage": "release"}.',
    },
  );
}
