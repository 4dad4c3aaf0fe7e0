import { PipekitError } from "@pipekit/proto";

/** Entries of a page; 100 when 0 are asked for. Throws INVALID_ARGUMENT. */
export function pageSize(asked: number): number {
  if (Number.isSafeInteger(asked) && asked >= 0 && asked <= 1000) return asked === 0 ? 100 : asked;
  throw new PipekitError("INVALID_ARGUMENT", `The page size ${asked} is not between 0 and 1000.`, {
    field: "page_size",
    mend: "Ask for 1 to 1000; 0 means 100.",
  });
}
