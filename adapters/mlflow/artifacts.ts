/** Uploads files through MLflow's artifact proxy. */

import { stat } from "node:fs/promises";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";
import { z } from "zod";
import { encodePath } from "../spec-query.ts";
import type { MlflowApi, Result } from "./api.ts";
import type { Fault } from "./faults.ts";
import { artifactPath } from "./keys.ts";
import type { Names } from "./names.ts";

/** When and how a file is sent in parts. */
export interface MultipartLimits {
  /** Files of this size, bytes, and larger ones are sent in parts where the store behind MLflow can. */
  readonly fromBytes: number;
  /** Smallest part, bytes. */
  readonly partBytes: number;
}

export const MULTIPART: MultipartLimits = { fromBytes: 500 * 1024 * 1024, partBytes: 10 * 1024 * 1024 };

const MOST_PARTS = 9000;
const CONCURRENT_PARTS = 4;

const Credential = z.object({
  url: z.string(),
  part_number: z.number().int(),
  headers: z.record(z.string(), z.string()).default({}),
});
const Multipart = z.object({ upload_id: z.string().default(""), credentials: z.array(Credential).min(1) });
const Empty = z.looseObject({});

type Artifact = Extract<SinkRecord, { kind: "artifact" }>;

/** Puts the artifacts of one run below its artifact root. */
export class ArtifactUploader {
  readonly #api: MlflowApi;
  readonly #names: Names;
  readonly #limits: MultipartLimits;
  readonly #done = new Set<string>();
  #multipart = true;

  constructor(api: MlflowApi, names: Names, limits: MultipartLimits) {
    this.#api = api;
    this.#names = names;
    this.#limits = limits;
  }

  /**
   * Uploads the files of an artifact; what an earlier, broken-off call has uploaded is skipped. A fault that is not
   * `transient` is for good.
   */
  async upload(root: string, artifact: Artifact, signal: AbortSignal): Promise<Fault | undefined> {
    if (artifact.files.length === 0) return undefined;
    const base = proxyBase(root, this.#api.url);
    if (base === undefined) return { kind: "refused", reason: unproxied(root) };
    for (const file of artifact.files) {
      const path = file.path === "" ? artifact.name : `${artifact.name}/${file.path}`;
      const name = `${path} ${file.sha256}`;
      if (this.#done.has(name)) continue;
      const fault = await this.#file(base, this.#mapped(path), path, file, signal);
      if (fault !== undefined) return fault;
      this.#done.add(name);
    }
    return undefined;
  }

  #mapped(path: string): string {
    const mapped = artifactPath(path);
    if (mapped !== path)
      this.#names.note(`MLflow does not take the path \`${path}\`; it is kept as \`${mapped}\`.`);
    return mapped;
  }

  async #file(
    base: ProxyBase,
    mapped: string,
    path: string,
    file: SinkFile,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const size = await stat(file.localPath).then(
      (info) => info.size,
      () => undefined,
    );
    if (size !== file.size) {
      const why =
        size === undefined ? "cannot be read any more" : `has ${size} bytes instead of ${file.size}`;
      return { kind: "refused", reason: `The file \`${path}\` of the artifact ${why}.` };
    }
    if (this.#multipart && file.size >= this.#limits.fromBytes) {
      const sent = await this.#inParts(base, mapped, file, signal);
      if (sent || signal.aborted)
        return sent ? undefined : { kind: "transient", reason: "The upload was aborted." };
    }
    const slice = { path: file.localPath, start: 0, length: file.size };
    const result = await this.#api.put(`${base.artifacts}/${encodePath(mapped)}`, slice, signal);
    if (result.ok) return undefined;
    const { fault } = result;
    if (fault.kind !== "tooLarge") return fault;
    return { ...fault, reason: `The server takes no file of ${file.size} bytes (\`${path}\`, status 413).` };
  }

  /**
   * Sends parts to addresses that the store behind MLflow has signed. False when that is not possible here: the store
   * cannot, or its addresses cannot be reached from this host; then the file goes through the proxy as a whole.
   */
  async #inParts(base: ProxyBase, mapped: string, file: SinkFile, signal: AbortSignal): Promise<boolean> {
    const slash = mapped.lastIndexOf("/");
    const folder = slash < 0 ? "" : `/${encodePath(mapped.slice(0, slash))}`;
    const path = mapped.slice(slash + 1);
    const partBytes = Math.max(this.#limits.partBytes, Math.ceil(file.size / MOST_PARTS));
    const num_parts = Math.ceil(file.size / partBytes);
    const ask = (step: string, body: object) =>
      this.#api.postTo(`${base.multipart(step)}${folder}`, { path, ...body }, Empty, signal);
    const created = checked(await ask("create", { num_parts }), Multipart);
    if (created === undefined) {
      this.#multipart = false;
      return false;
    }
    const { upload_id, credentials } = created;
    const parts =
      credentials.length === num_parts ? await this.#parts(credentials, partBytes, file, signal) : undefined;
    if (parts !== undefined && (await ask("complete", { upload_id, parts })).ok) return true;
    await ask("abort", { upload_id });
    this.#multipart = false;
    return false;
  }

  async #parts(
    credentials: readonly z.infer<typeof Credential>[],
    partBytes: number,
    file: SinkFile,
    signal: AbortSignal,
  ): Promise<readonly object[] | undefined> {
    const ordered = credentials.toSorted((a, b) => a.part_number - b.part_number);
    const parts: object[] = [];
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    let next = 0;
    const worker = async () => {
      for (let index = next++; index < ordered.length && !either.aborted; index = next++) {
        const credential = ordered[index];
        if (credential === undefined) return;
        const { url, part_number, headers } = credential;
        const start = index * partBytes;
        const slice = { path: file.localPath, start, length: Math.min(partBytes, file.size - start) };
        const sent = await this.#api.putPart(url, headers, slice, either);
        if (sent.ok) parts[index] = { part_number, etag: sent.value, url };
        else failure.abort();
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_PARTS }, worker));
    return either.aborted ? undefined : parts;
  }
}

export interface ProxyBase {
  /** Address of the run's artifacts. */
  readonly artifacts: string;
  /** Address of a step of a multipart upload to the same place. */
  multipart(step: string): string;
  /** Address of the list of a folder below them. */
  listing(folder: string): string;
}

/** Addresses for an artifact root; undefined when MLflow does not stand between us and the store. */
export function proxyBase(root: string, tracking: string): ProxyBase | undefined {
  const uri = URL.parse(root);
  if (uri?.protocol !== "mlflow-artifacts:") return undefined;
  const own = new URL(tracking);
  const server = uri.host === "" || uri.host === own.host ? tracking : `${own.protocol}//${uri.host}`;
  const below = encodePath(decodeURIComponent(uri.pathname).replace(/^\/+|\/+$/g, ""));
  const api = `${server}/api/2.0/mlflow-artifacts`;
  return {
    artifacts: `${api}/artifacts/${below}`,
    multipart: (step) => `${api}/mpu/${step}/${below}`,
    listing: (folder) => `${api}/artifacts?path=${below}${folder === "" ? "" : `/${encodePath(folder)}`}`,
  };
}

function unproxied(root: string): string {
  const where = /^[a-z0-9+.-]+:/i.exec(root)?.[0] ?? "a folder";
  return (
    `MLflow does not take the artifacts of this run itself but expects clients to write to its store (${where}); ` +
    "start it with --serve-artifacts and an `mlflow-artifacts:` root, or attach the artifact by its URI."
  );
}

function checked<T>(result: Result<unknown>, schema: z.ZodType<T>): T | undefined {
  return result.ok ? schema.safeParse(result.value).data : undefined;
}
