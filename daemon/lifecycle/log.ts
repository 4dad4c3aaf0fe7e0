import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Logger, pino, stdSerializers } from "pino";
import { RotatingFile, type RotationLimits } from "./rotation.ts";

const LIMITS: RotationLimits = { maxBytes: 10 * 1024 * 1024, files: 5 };
const HIDDEN = "[hidden]";
/** Names of fields whose values are not for others. */
export const SECRET_NAME = /passw(or)?d|secret|token|authorization|api[-_]?key|credential|cookie/i;
/** User and password of a URL. */
const URL_USERINFO = /(:\/\/)[^\s/?#@"\\]+@/g;
const MAX_DEPTH = 6;

/** The daemon's log: JSON lines in a rotated file of mode 0600, secrets hidden. */
export function createLog(file: string, level: string, limits = LIMITS): Logger {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const target = new RotatingFile(file, limits);
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    serializers: { err: stdSerializers.err },
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (fields: object) => hideSecrets(fields, 0) as { [name: string]: unknown },
    },
  };
  return pino(options, { write: (line: string) => target.write(line.replace(URL_USERINFO, `$1${HIDDEN}@`)) });
}

/** A copy without the values of fields that are named like secrets. */
function hideSecrets(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error || depth > MAX_DEPTH)
    return value;
  if (Array.isArray(value)) return value.map((item) => hideSecrets(item, depth + 1));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      SECRET_NAME.test(name) ? HIDDEN : hideSecrets(field, depth + 1),
    ]),
  );
}
