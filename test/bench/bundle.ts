import { join } from "node:path";

/** The daemon as users run it; `node daemon/build.ts` makes it. */
export const BUNDLE = process.env["PKX_BUNDLE"] ?? join(import.meta.dirname, "../../daemon/dist/pkx.mjs");
