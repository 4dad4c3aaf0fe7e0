/** Logs artifacts of one run, in the steps that W&B's own client takes. */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { SinkFile } from "@pipekit/adapters/tracker";
import { isPassing } from "../../files.ts";
import type { WandbApi } from "./api.ts";
import { wandbArtifactName } from "./artifact-name.ts";
import type { Fault, Result } from "./faults.ts";
import { type Artifact, digestFile, type Entry, manifestDigest, manifestJson } from "./manifest.ts";
import type { Place } from "./memo.ts";
import * as operations from "./operations.ts";
import { headersOf, type Part, uploadFile } from "./upload.ts";

/** When and how a file is sent in parts; W&B's client: from 2 GiB on, parts of 100 MiB. */
export interface PartLimits {
  readonly fromBytes: number;
  readonly partBytes: number;
}

const PARTS: PartLimits = { fromBytes: 2 * 1024 ** 3, partBytes: 100 * 1024 ** 2 };
const MOST_PARTS = 10_000;
const ARTIFACT_TYPE = "artifact";
/** Files announced in one call. */
const ANNOUNCED = 100;

/** A file with what W&B wants to know of it. */
interface Prepared {
  readonly entry: Entry;
  readonly file: SinkFile;
  readonly partBytes: number;
  readonly parts: readonly Part[];
}

export class ArtifactLogger {
  readonly #api: WandbApi;
  readonly #note: (sentence: string) => void;
  readonly #limits: PartLimits;
  /** Artifacts that are committed, by name and content. */
  readonly #done = new Set<string>();

  constructor(api: WandbApi, note: (sentence: string) => void, limits = PARTS) {
    this.#api = api;
    this.#note = note;
    this.#limits = limits;
  }

  /** Logs an artifact; one that W&B has already is left alone. A fault that is not `transient` is for good. */
  async log(place: Place, artifact: Artifact, signal: AbortSignal): Promise<Fault | undefined> {
    const identity = JSON.stringify([
      artifact.name,
      artifact.uri,
      artifact.files.map(({ path, sha256 }) => [path, sha256]),
    ]);
    if (this.#done.has(identity)) return undefined;
    const files = await this.#prepare(artifact, signal);
    if (!files.ok) return files.fault;
    const references: Entry[] =
      artifact.uri === "" ? [] : [{ path: basename(artifact.name), digest: artifact.uri, ref: artifact.uri }];
    const fault = await this.#save(place, artifact, files.value, references, signal);
    if (fault === undefined) this.#done.add(identity);
    return fault;
  }

  async #prepare(artifact: Artifact, signal: AbortSignal): Promise<Result<readonly Prepared[]>> {
    const prepared: Prepared[] = [];
    for (const file of artifact.files) {
      const path = file.path === "" ? basename(artifact.name) : file.path;
      const inParts = file.size >= this.#limits.fromBytes;
      const partBytes = inParts
        ? Math.max(this.#limits.partBytes, Math.ceil(file.size / MOST_PARTS / 4096) * 4096)
        : Number.POSITIVE_INFINITY;
      let short = false;
      const digests = await digestFile(file.localPath, partBytes, signal).catch((error: unknown) => {
        short = isPassing(error);
        return undefined;
      });
      if (short) {
        const reason = `The file \`${path}\` of the artifact cannot be read now, since too many files are open.`;
        return { ok: false, fault: { kind: "transient", reason } };
      }
      if (signal.aborted)
        return { ok: false, fault: { kind: "transient", reason: "The upload was aborted." } };
      if (digests?.size !== file.size) {
        const why =
          digests === undefined
            ? "cannot be read any more"
            : `has ${digests.size} bytes instead of ${file.size}`;
        return {
          ok: false,
          fault: { kind: "refused", reason: `The file \`${path}\` of the artifact ${why}.` },
        };
      }
      const parts = inParts ? digests.parts.map((hexMD5, at) => ({ partNumber: at + 1, hexMD5 })) : [];
      prepared.push({ entry: { path, digest: digests.base64, size: file.size }, file, partBytes, parts });
    }
    return { ok: true, value: prepared };
  }

  async #save(
    place: Place,
    artifact: Artifact,
    files: readonly Prepared[],
    references: readonly Entry[],
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const name = wandbArtifactName(artifact.name);
    if (name !== artifact.name) {
      this.#note(`W&B does not take the artifact name \`${artifact.name}\`; it is kept as \`${name}\`.`);
    }
    const digest = manifestDigest([...files.map(({ entry }) => entry), ...references]);
    // Random at W&B's own client; ours are the same when the call is repeated.
    const clientID = createHash("sha512").update(`${place.storageId} ${name} ${digest}`).digest("hex");
    const sequenceClientID = createHash("sha512").update(`${place.storageId} ${name}`).digest("hex");
    const input = {
      ...{ entityName: place.entity, projectName: place.project, runName: place.name },
      ...{ artifactTypeName: ARTIFACT_TYPE, artifactCollectionName: name },
      ...{ digest, digestAlgorithm: "MANIFEST_MD5", enableDigestDeduplication: true },
      ...{ clientID, sequenceClientID, metadata: JSON.stringify({ pipekit: { name: artifact.name } }) },
      aliases: [{ artifactCollectionName: name, alias: "latest" }],
    };
    const created = await this.#api.graphql(operations.CREATE_ARTIFACT, { input }, signal);
    if (!created.ok) return created.fault;
    const { id: artifactID, state } = created.value.createArtifact.artifact;
    if (state === "COMMITTED") return undefined;
    const manifest = await this.#manifest(place, artifactID, "", signal);
    if (!manifest.ok) return manifest.fault;
    const stored = await this.#upload(artifactID, manifest.value.id, files, signal);
    if (!stored.ok) return stored.fault;
    const text = manifestJson([...stored.value, ...references]);
    const fault = await this.#putManifest(place, artifactID, text, signal);
    if (fault !== undefined) return fault;
    const committed = await this.#api.graphql(operations.COMMIT_ARTIFACT, { artifactID }, signal);
    return committed.ok ? undefined : committed.fault;
  }

  /** Uploads what W&B does not have; gives the entries with the artifact in which each file was stored first. */
  async #upload(
    artifactID: string,
    artifactManifestID: string,
    files: readonly Prepared[],
    signal: AbortSignal,
  ): Promise<Result<readonly Entry[]>> {
    const entries: Entry[] = [];
    for (let first = 0; first < files.length; first += ANNOUNCED) {
      const some = files.slice(first, first + ANNOUNCED);
      const artifactFiles = some.map(({ entry, parts }) => ({
        ...{ artifactID, artifactManifestID, name: entry.path, md5: entry.digest },
        ...(parts.length === 0 ? {} : { uploadPartsInput: parts }),
      }));
      const told = await this.#api.graphql(operations.CREATE_ARTIFACT_FILES, { artifactFiles }, signal);
      if (!told.ok) return told;
      const { edges } = told.value.createArtifactFiles.files;
      for (const [at, { entry, file, partBytes, parts }] of some.entries()) {
        const node = edges[at]?.node;
        if (node === undefined) {
          return {
            ok: false,
            fault: { kind: "transient", reason: "W&B names too few addresses for files." },
          };
        }
        const fault = await uploadFile(this.#api, { node, file, partBytes, parts }, signal);
        if (fault !== undefined) return { ok: false, fault };
        entries.push({ ...entry, birthArtifactID: node.artifact.id });
      }
    }
    return { ok: true, value: entries };
  }

  async #manifest(
    place: Place,
    artifactID: string,
    digest: string,
    signal: AbortSignal,
  ): Promise<Result<{ id: string; file?: operations.Upload | null | undefined }>> {
    const variables = {
      ...{ artifactID, digest, name: "wandb_manifest.json", includeUpload: digest !== "" },
      ...{ entityName: place.entity, projectName: place.project, runName: place.name },
    };
    const made = await this.#api.graphql(operations.CREATE_MANIFEST, variables, signal);
    return made.ok ? { ok: true, value: made.value.createArtifactManifest.artifactManifest } : made;
  }

  async #putManifest(
    place: Place,
    artifactID: string,
    text: string,
    signal: AbortSignal,
  ): Promise<Fault | undefined> {
    const digest = createHash("md5").update(text).digest("base64");
    const made = await this.#manifest(place, artifactID, digest, signal);
    if (!made.ok) return made.fault;
    const { file } = made.value;
    if (!file?.uploadUrl) return { kind: "transient", reason: "W&B names no address for the manifest." };
    const put = await this.#api.put(file.uploadUrl, headersOf(file.uploadHeaders), text, signal);
    return put.ok ? undefined : put.fault;
  }
}
