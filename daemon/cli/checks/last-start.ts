/** Why the last daemon did not start, by its log. */
import { z } from "zod";
import { endOfFile } from "../../file-end.ts";
import { moment } from "../../format.ts";
import { parsedText } from "../../view/documents/texts.ts";
import { type Finding, note } from "./finding.ts";

/** Bytes at the end of the log in which it is looked for. */
const TAIL = 256 * 1024;

/** What a daemon logs at the end of its start. */
const Start = z.object({
  msg: z.enum(["ready", "cannot start"]),
  time: z.iso.datetime(),
  err: z.object({ message: z.string().catch(""), mend: z.string().catch("") }).optional(),
});

/** Nothing when it started, or nobody knows. */
export function checkLastStart(logFile: string): Finding[] {
  const last = endOfFile(logFile, TAIL)
    .split("\n")
    // Others, and one that is cut off, are left out.
    .flatMap((line) => Start.safeParse(parsedText(line)).data ?? [])
    .at(-1);
  if (last === undefined || last.msg === "ready") return [];
  const { message = "", mend = "" } = last.err ?? {};
  const at = moment(Date.parse(last.time) * 1000);
  const advice = mend || "Run `pkx serve` in a terminal to see why.";
  return [note("last start", `At ${at} a daemon could not start: ${message}`, advice)];
}
