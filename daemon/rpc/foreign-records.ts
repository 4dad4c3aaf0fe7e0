import { join, sep } from "node:path";
import { type Artifact, type ArtifactFile, type Frame, PipekitError, type Record } from "@pipekit/proto";
import { type ContentStore, checkClientPath, type Hold } from "../content/index.ts";
import { checkFact } from "./frames.ts";

const DIGEST = /^[0-9a-f]{64}$/;

/** Where the files of a foreign frame come from, and where they go. */
export interface ForeignRecordParts {
  /** Real path of the foreign state folder. */
  readonly folder: string;
  readonly content: Pick<ContentStore, "adopt" | "ingest">;
  readonly hold: Hold;
  readonly note: (text: string) => void;
  readonly signal: AbortSignal;
}

type Fact = NonNullable<Record["record"]>;
type TakeArtifact = (artifact: Artifact, parts: ForeignRecordParts) => Promise<Artifact>;

/**
 * The records of a frame of another folder that our journal may keep, the files of artifacts in our content store. One
 * that our own clients could not log is left out and noted. Throws STORAGE_FULL, and what `takeArtifact` throws beside
 * INVALID_ARGUMENT.
 */
export async function foreignRecords(
  frame: Frame,
  takeArtifact: TakeArtifact,
  parts: ForeignRecordParts,
): Promise<Record[]> {
  const records: Record[] = [];
  for (const { record: fact } of frame.records) {
    if (fact === undefined) continue;
    try {
      checkFact(fact);
      if (fact.$case === "artifact") {
        records.push({ record: { $case: "artifact", value: await takeArtifact(fact.value, parts) } });
      } else if (fact.$case === "start" || fact.$case === "resume") {
        // That process is none of ours, even on one host: its end says nothing about what is yet to be taken in.
        records.push({ record: withoutProcess(fact) });
      } else {
        records.push({ record: fact });
      }
    } catch (error) {
      if (!(error instanceof PipekitError) || !AT_FAULT.has(error.code)) throw error;
      parts.note(`A record of run ${frame.runId} is left out: ${error.message}`);
    }
  }
  return records;
}

function withoutProcess(fact: Extract<Fact, { $case: "start" | "resume" }>): Fact {
  if (fact.$case === "start") return { $case: "start", value: { ...fact.value, pid: 0 } };
  return { $case: "resume", value: { ...fact.value, pid: 0 } };
}

const AT_FAULT: ReadonlySet<string> = new Set(["INVALID_ARGUMENT", "INVALID_CONFIG", "INVALID_METRIC"]);

/** Of a journal: its files are in that content store. One that is missing there is noted; the record still names it. */
export async function journaledArtifact(artifact: Artifact, parts: ForeignRecordParts): Promise<Artifact> {
  const { folder, content, hold, note, signal } = parts;
  checkFiles(artifact);
  for (const file of artifact.files) {
    const source = join(folder, "content/sha256", file.sha256.slice(0, 2), file.sha256.slice(2));
    try {
      await content.adopt(file, source, hold, signal);
    } catch (error) {
      if (!(error instanceof PipekitError) || error.code !== "ARTIFACT_UNREADABLE") throw error;
      const name = file.path === "" ? artifact.name : `${artifact.name}/${file.path}`;
      note(`The file ${name} is missing here: ${error.message}`);
    }
  }
  return { ...artifact, path: "", staged: false };
}

/** Throws INVALID_ARGUMENT unless the files of a journaled artifact are named as a daemon names them. */
export function checkFiles(artifact: Artifact): void {
  if (artifact.files.every(isSane)) return;
  throw new PipekitError("INVALID_ARGUMENT", "An artifact names its files in a way that no daemon does.", {
    field: "artifact.files",
    mend: "Take it in from a folder that a daemon has written.",
  });
}

/**
 * Of a spool: its files are in that staging folder, under the path that they had when the folder was elsewhere. Throws
 * ARTIFACT_UNREADABLE when they are not there. A file outside is never read: who made the folder could name any.
 */
export async function spooledArtifact(artifact: Artifact, parts: ForeignRecordParts): Promise<Artifact> {
  const { folder, content, hold, signal } = parts;
  if (artifact.uri !== "") return { ...artifact, path: "", staged: false, files: [] };
  const marker = `${sep}staging${sep}`;
  const at = artifact.path.lastIndexOf(marker);
  if (!artifact.staged || at < 0) {
    throw new PipekitError("ARTIFACT_UNREADABLE", `${artifact.path} does not lie in the state folder.`, {
      field: artifact.path,
      mend: "Attach it again on its own host.",
    });
  }
  const staging = join(folder, "staging");
  const path = join(staging, artifact.path.slice(at + marker.length));
  const real = await checkClientPath(path, true, staging, "artifact.path");
  const files = await content.ingest(real, { staged: false, hold }, signal);
  return { name: artifact.name, path: "", staged: false, files, uri: "" };
}

/** Digests and paths become names of files here: they must be what a daemon would have written. */
function isSane({ path, sha256, size }: ArtifactFile): boolean {
  const parts = path === "" ? [] : path.split("/");
  return (
    DIGEST.test(sha256) &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    !/[\\\0]/.test(path) &&
    parts.every((part) => part !== "" && part !== "." && part !== "..")
  );
}
