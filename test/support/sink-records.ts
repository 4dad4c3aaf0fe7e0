/** Records as delivery hands them to an adapter. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";

/** A point; the time goes on with the steps. */
export function point(key: string, step: number, value: number, timeUs = 1_760_000_000_000_000): SinkRecord {
  return { kind: "point", key, step, value, timeUs: timeUs + step * 1000 };
}

/** Writes `path` below `folder`, as a file of an artifact in which it is called `as`. */
export function file(folder: string, path: string, content: string | Buffer, as = path): SinkFile {
  const localPath = join(folder, path);
  mkdirSync(dirname(localPath), { recursive: true });
  writeFileSync(localPath, content);
  const bytes = Buffer.from(content);
  return {
    path: as,
    localPath,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  };
}
