/** Artifacts of one task: files go to the files server, and are then told to the API server. */

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { clip } from "@pipekit/adapters/http";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { encodePath } from "../spec-query.ts";
import type { ClearmlApi } from "./api.ts";
import { type Fault, failed, type Result } from "./faults.ts";
import type { RemoteTask } from "./remote-task.ts";

export type Artifact = Extract<SinkRecord, { kind: "artifact" }>;

/** An artifact as ClearML keeps it. */
export interface ArtifactEntry {
  readonly key: string;
  readonly type: string;
  readonly mode: "output";
  readonly uri: string;
  readonly hash?: string;
  readonly content_size?: number;
  readonly timestamp: number;
}

const Updated = z.looseObject({});
const Uploaded = z.array(z.string());
const LONGEST_SEGMENT = 150;
const BOUNDARY = "pipekit-dcf1bbd6b2d04d7fa4a3f6b7c0c7e7f2";

/** Puts an artifact to a task; a file that a broken-off call has uploaded is uploaded again to the same place. */
export async function addArtifact(
  api: ClearmlApi,
  task: RemoteTask,
  project: string,
  artifact: Artifact,
  nowMs: number,
  signal: AbortSignal,
): Promise<Fault | undefined> {
  const entries: ArtifactEntry[] = [];
  if (artifact.uri !== "") entries.push(uriEntry(artifact, nowMs));
  if (artifact.files.length > 0) {
    const servers = await api.servers();
    if (!servers.ok) return servers.fault;
    const { files } = servers.value;
    if (files === undefined) return { kind: "refused", reason: NO_FILES_SERVER };
    for (const file of artifact.files) {
      const path = `${artifactFolder(project, task.name, task.taskId)}/${artifactPath(artifact, file)}`;
      const missing = await fileFault(artifact, file);
      if (missing !== undefined) return { kind: "refused", reason: missing };
      const sent = await upload(api, files, path, file, signal);
      if (!sent.ok) return sent.fault;
      entries.push(fileEntry(artifact, file, `${files}/${encodePath(path)}`, nowMs));
    }
  }
  if (entries.length === 0) return undefined;
  const body = { task: task.taskId, artifacts: entries, force: true };
  const told = await api.post("tasks.add_or_update_artifacts", body, Updated, signal);
  return told.ok ? undefined : told.fault;
}

/** Where ClearML's own client keeps the artifacts of a task, below a files server or a session's `data` folder. */
export function artifactFolder(project: string, name: string, taskId: string): string {
  return `${project.split("/").map(segment).join("/")}/${segment(name)}.${taskId}/artifacts`;
}

/** Where a file of an artifact lies in that folder. */
export function artifactPath(artifact: Artifact, file: SinkFile): string {
  const name = segment(artifact.name);
  return file.path === "" ? `${name}/${name}` : `${name}/${file.path.split("/").map(segment).join("/")}`;
}

export function fileEntry(artifact: Artifact, file: SinkFile, uri: string, nowMs: number): ArtifactEntry {
  const key = file.path === "" ? artifact.name : `${artifact.name}/${file.path}`;
  const content = { hash: file.sha256, content_size: file.size };
  return { key, type: "custom", mode: "output", uri, ...content, timestamp: Math.floor(nowMs / 1000) };
}

export function uriEntry({ name, uri }: Artifact, nowMs: number): ArtifactEntry {
  return { key: name, type: "custom", mode: "output", uri, timestamp: Math.floor(nowMs / 1000) };
}

/** Why a file cannot be the one that was journaled; undefined when nothing speaks against it. */
export async function fileFault(artifact: Artifact, file: SinkFile): Promise<string | undefined> {
  const size = await stat(file.localPath).then(
    (info) => info.size,
    () => undefined,
  );
  if (size === file.size) return undefined;
  const what = size === undefined ? "cannot be read any more" : `has ${size} bytes instead of ${file.size}`;
  const name = file.path === "" ? artifact.name : `${artifact.name}/${file.path}`;
  return `The file \`${clip(name)}\` of an artifact ${what}.`;
}

const NO_FILES_SERVER =
  "Where ClearML's files server is cannot be told from the address of the API server; name it in the tracker spec " +
  "with `?files=http://HOST:8081`.";

async function upload(
  api: ClearmlApi,
  files: string,
  path: string,
  file: SinkFile,
  signal: AbortSignal,
): Promise<Result<unknown>> {
  const head =
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${path}"; filename="${path}"\r\n` +
    "Content-Type: application/octet-stream\r\n\r\n";
  const body = { path: file.localPath, start: 0, length: file.size, head, tail: `\r\n--${BOUNDARY}--\r\n` };
  const sent = await api.upload(
    `${files}/`,
    `multipart/form-data; boundary=${BOUNDARY}`,
    body,
    Uploaded,
    signal,
  );
  if (sent.ok || sent.fault.kind !== "tooLarge") return sent;
  return failed(
    "refused",
    `The files server takes no file of ${file.size} bytes (\`${clip(path)}\`, status 413).`,
  );
}

/**
 * A part of a path in characters that every header and every file system has. What else there is becomes `_0xHH_`, its
 * code point; a name too long is cut and ends in `_0xh<20 hex digits of its SHA-256>_`. Two names never meet.
 */
function segment(name: string): string {
  if (name === "") return "_0x_";
  const strange = /[^A-Za-z0-9 _.,=+~()[\]-]|^\.{1,2}$|^ | $|_(?=0x)/gu;
  const plain = name.replace(strange, (part) =>
    [...part].map((char) => `_0x${char.codePointAt(0)?.toString(16)}_`).join(""),
  );
  if (plain.length <= LONGEST_SEGMENT) return plain;
  return `${plain.slice(0, LONGEST_SEGMENT - 25)}_0xh${createHash("sha256").update(name).digest("hex").slice(0, 20)}_`;
}
