import { PipekitError } from "@pipekit/proto";

/** The number, if it is a whole one that a message can carry. Throws INVALID_ARGUMENT; below 0 is left to the daemon. */
export function whole(field: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new PipekitError("INVALID_ARGUMENT", `\`${field}\` is ${value}.`, {
    field,
    mend: "Give a whole number that is not so large.",
  });
}
