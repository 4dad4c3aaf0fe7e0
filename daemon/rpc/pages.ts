import { PipekitError } from "@pipekit/proto";

export const MAX_PAGE = 1000;
const DEFAULT_PAGE = 100;

/** The page size that a request means. Throws INVALID_ARGUMENT. */
export function checkPageSize(size: number): number {
  if (size < 0 || size > MAX_PAGE) {
    throw new PipekitError("INVALID_ARGUMENT", `page_size is not between 0 and ${MAX_PAGE}.`, {
      field: "page_size",
      mend: `Ask for at most ${MAX_PAGE} at a time.`,
    });
  }
  return size === 0 ? DEFAULT_PAGE : size;
}
