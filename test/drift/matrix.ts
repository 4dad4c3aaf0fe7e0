/** Which releases of which tools are supported, and which tests show it: matrix.json is the one place that says so. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const Row = z.strictObject({
  /** What of ours is tried. */
  name: z.string(),
  /** The tool's name on PyPI. */
  tool: z.string(),
  /** The oldest supported release: what the client's extra of this tool asks for. */
  oldest: z.string().regex(/^\d+(\.\d+)+$/),
  /** Requirements that an environment with this tool needs besides. */
  with: z.array(z.string()),
  /** Those of the oldest release, which does not say how new what it needs may be. */
  withOldest: z.array(z.string()),
  /** Files or folders of tests, from the root. */
  vitest: z.array(z.string()),
  /** Files of tests in clients/python/tests, as shell patterns. */
  pytest: z.array(z.string()),
});

/** A tool of the matrix. */
export type Row = z.infer<typeof Row>;

/** Reads matrix.json. Throws ZodError. */
export function readMatrix(): readonly Row[] {
  return z.array(Row).parse(JSON.parse(readFileSync(join(import.meta.dirname, "matrix.json"), "utf8")));
}
