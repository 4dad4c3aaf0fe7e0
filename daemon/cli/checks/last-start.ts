/** Why the last daemon did not start, by its log. */
import { endOfFile } from "../../file-end.ts";
import { moment } from "../../format.ts";
import { type Finding, note } from "./finding.ts";

/** Bytes at the end of the log in which it is looked for. */
const TAIL = 256 * 1024;

/** Nothing when it started, or nobody knows. */
export function checkLastStart(logFile: string): Finding[] {
  const starts = endOfFile(logFile, TAIL)
    .split("\n")
    .flatMap((line) => {
      const entry = parsed(line);
      return entry?.["msg"] === "ready" || entry?.["msg"] === "cannot start" ? [entry] : [];
    });
  const last = starts.at(-1);
  if (last === undefined || last["msg"] === "ready") return [];
  const { message = "", mend = "" } = Object(last["err"]);
  const at = moment(Date.parse(String(last["time"])) * 1000);
  const advice = String(mend) || "Run `pkx serve` in a terminal to see why.";
  return [note("last start", `At ${at} a daemon could not start: ${String(message)}`, advice)];
}

function parsed(line: string): { readonly [name: string]: unknown } | undefined {
  try {
    return Object(JSON.parse(line));
  } catch {
    return undefined;
  }
}
