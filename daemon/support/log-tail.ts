/** The end of the daemon's log, without what people and tools have put into it. */
import { endOfFile } from "../file-end.ts";
import { SECRET_NAME } from "../lifecycle/index.ts";
import { HIDDEN, type Redactor } from "./redactor.ts";

/** Bytes that are read at most for a line that is wanted. */
const BYTES_A_LINE = 2048;
/** Fields with what people named or logged. */
const OF_PEOPLE = /^(?:name|names|tags?|config|params?|values?|metadata|actor)$/i;

/** The last `lines` lines; none where there is no log. */
export function logTail(file: string, lines: number, redactor: Redactor): string {
  const tail = endOfFile(file, lines * BYTES_A_LINE)
    .split("\n")
    .filter((line) => line !== "")
    .slice(-lines);
  return tail.map((line) => `${shownLine(line, redactor)}\n`).join("");
}

function shownLine(line: string, redactor: Redactor): string {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    entry = undefined;
  }
  // Not written by the daemon, or cut off at its beginning.
  if (typeof entry !== "object" || entry === null) return JSON.stringify({ unreadable: line.length });
  const fields = Object.entries(entry).map(([name, value]) => [
    redactor.text(name),
    shownField(name, value, redactor),
  ]);
  return JSON.stringify(Object.fromEntries(fields));
}

function shownField(name: string, value: unknown, redactor: Redactor): unknown {
  if (OF_PEOPLE.test(name)) return "[left out]";
  // Messages are constants of the program.
  if (name === "msg" || name === "time" || name === "level") return redactor.text(String(value));
  if (name === "err") return shownError(Object(value), redactor);
  return SECRET_NAME.test(name) && typeof value !== "number" ? HIDDEN : redactor.value(value);
}

/** The stack begins with the message, which may be of many lines: only the places are kept. */
function shownError(error: { readonly [name: string]: unknown }, redactor: Redactor): unknown {
  const { stack, message, ...rest } = error;
  const places = String(stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at .*(?::\d+:\d+|native|anonymous)\)?$/.test(line));
  return {
    message: redactor.foreign(String(message ?? "")),
    stack: places.map((place) => redactor.text(place.trim())),
    ...Object(redactor.value(rest)),
  };
}
