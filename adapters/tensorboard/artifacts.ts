/** Artifacts, of which TensorBoard shows no more than what they are. */
import type { SinkRecord } from "@pipekit/adapters/tracker";
import { sizeOf } from "../append-file.ts";

type Artifact = Extract<SinkRecord, { kind: "artifact" }>;

const MAX_FILES_LISTED = 100;

/** The text that lists an artifact. */
export function artifactText({ files, uri }: Artifact): string {
  const lines = uri === "" ? [] : [`- kept at ${uri}`];
  for (const { path, size, sha256 } of files.slice(0, MAX_FILES_LISTED)) {
    lines.push(`- ${path === "" ? "file" : path}: ${size} bytes, SHA-256 ${sha256}`);
  }
  const more = files.length - MAX_FILES_LISTED;
  if (more > 0) lines.push(`- and ${more} more files`);
  return lines.join("\n");
}

/** Artifacts of a batch whose files are not there any more, by index, each with the reason: they must not be listed. */
export async function lostArtifacts(batch: readonly SinkRecord[]): Promise<ReadonlyMap<number, string>> {
  const lost = new Map<number, string>();
  for (const [index, record] of batch.entries()) {
    if (record.kind !== "artifact") continue;
    for (const { path, localPath, size } of record.files) {
      if ((await sizeOf(localPath)) === size) continue;
      const file = path === "" ? "its file" : `its file \`${path}\``;
      lost.set(
        index,
        `The artifact \`${record.name}\` is not what was attached: ${file} is gone or has changed.`,
      );
      break;
    }
  }
  return lost;
}
