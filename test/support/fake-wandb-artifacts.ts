/** The artifacts of the fake W&B server: created, filled, committed. */

import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export type ArtifactCall = Readonly<Record<string, unknown>>;

export interface StoredArtifact {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly digest: string;
  /** Runs that have logged it. */
  readonly runs: Set<string>;
  readonly metadata: string;
  readonly aliases: readonly string[];
  state: "PENDING" | "COMMITTED";
  /** By name: what was put, or nothing when the server had it already. */
  readonly files: Map<string, Buffer | undefined>;
  manifest: string | undefined;
}

interface Place {
  readonly artifact: StoredArtifact;
  readonly name: string;
  readonly md5: string;
  readonly manifest: boolean;
  /** The file's parts so far, when it comes in parts: this place is one of them. */
  readonly parts?: Map<number, Buffer>;
  readonly partNumber?: number;
}

interface PartInput {
  readonly partNumber: number;
  readonly hexMD5: string;
}

interface PartedUpload {
  readonly artifact: StoredArtifact;
  readonly name: string;
  readonly md5: string;
  readonly parts: Map<number, Buffer>;
}

export class FakeArtifacts {
  readonly stored: StoredArtifact[] = [];
  readonly #url: () => string;
  readonly #places = new Map<string, Place>();
  readonly #uploads = new Map<string, PartedUpload>();
  readonly #manifests = new Map<string, StoredArtifact>();
  /** Content that the server has, by base64 MD5. */
  readonly content = new Map<string, Buffer>();

  constructor(url: () => string) {
    this.#url = url;
  }

  /** Data of an operation on artifacts; an Error for what it refuses. */
  answer(name: string, variables: ArtifactCall): unknown {
    switch (name) {
      case "CreateArtifact":
        return this.#create(creationOf(variables));
      case "CreateArtifactManifest":
        return this.#manifest(variables);
      case "CreateArtifactFiles":
        return this.#files(filesOf(variables));
      case "CommitArtifact": {
        const artifact = this.stored.find(({ id }) => id === variables["artifactID"]);
        if (artifact?.manifest === undefined) return new Error("the manifest is missing");
        artifact.state = "COMMITTED";
        return { commitArtifact: { artifact: { id: artifact.id, digest: artifact.digest } } };
      }
      case "CompleteMultipartUploadArtifact":
        return this.#join(variables);
      case "ClientIDMapping":
        return { clientIDMapping: { serverID: this.stored.at(-1)?.id ?? "" } };
      default:
        return new Error(`unknown operation ${name}`);
    }
  }

  /** Takes a file; false when it is not the one that was announced. */
  put(place: string, bytes: Buffer, headers: IncomingHttpHeaders): boolean {
    const target = this.#places.get(place);
    const md5 = createHash("md5").update(bytes).digest("base64");
    if (target === undefined || target.md5 !== md5) return false;
    if (target.parts !== undefined && target.partNumber !== undefined) {
      if (headers["content-md5"] !== md5) return false;
      target.parts.set(target.partNumber, bytes);
      return true;
    }
    if (headers["x-fake-signature"] !== place) return false;
    if (target.manifest) target.artifact.manifest = bytes.toString("utf8");
    else target.artifact.files.set(target.name, bytes);
    this.content.set(md5, bytes);
    return true;
  }

  #create(input: ArtifactCall): unknown {
    const text = (name: string) => String(input[name] ?? "");
    const name = text("artifactCollectionName");
    if (!/^[\w.-]{1,128}$/.test(name)) return new Error(`invalid artifact name ${name}`);
    if (text("digestAlgorithm") !== "MANIFEST_MD5") return new Error("unknown digest algorithm");
    const same = this.stored.find((artifact) => artifact.name === name && artifact.digest === text("digest"));
    const aliases = ((input["aliases"] ?? []) as { alias: string }[]).map(({ alias }) => alias);
    const artifact: StoredArtifact = same ?? {
      id: Buffer.from(`Artifact:${this.stored.length}`).toString("base64url"),
      ...{ name, type: text("artifactTypeName"), digest: text("digest"), runs: new Set() },
      ...{ metadata: text("metadata"), aliases, state: "PENDING", files: new Map(), manifest: undefined },
    };
    if (same === undefined) this.stored.push(artifact);
    artifact.runs.add(text("runName"));
    const latest = this.stored.findLast((other) => other.name === name && other.state === "COMMITTED");
    const sequence = { latestArtifact: latest === undefined ? null : { id: latest.id } };
    return {
      createArtifact: { artifact: { id: artifact.id, state: artifact.state, artifactSequence: sequence } },
    };
  }

  #manifest(variables: ArtifactCall): unknown {
    const artifact = this.stored.find(({ id }) => id === variables["artifactID"]);
    if (artifact === undefined) return new Error("no such artifact");
    const id = `manifest-${this.#manifests.size}`;
    this.#manifests.set(id, artifact);
    const upload = variables["includeUpload"] === true;
    const md5 = Buffer.from(String(variables["digest"]), "base64").toString("base64");
    const place = upload ? this.#place({ artifact, name: "", md5, manifest: true }) : undefined;
    const file = { id: `file-${id}`, ...(place === undefined ? {} : this.#signed(place)) };
    return { createArtifactManifest: { artifactManifest: { id, file } } };
  }

  #files(specs: readonly ArtifactCall[]): unknown {
    const edges = specs.map((spec) => {
      const artifact = this.#manifests.get(String(spec["artifactManifestID"]));
      const name = String(spec["name"]);
      const md5 = String(spec["md5"]);
      if (artifact === undefined) return { node: null };
      const known = this.content.has(md5);
      if (known) artifact.files.set(name, artifact.files.get(name));
      const parts = (spec["uploadPartsInput"] ?? []) as readonly PartInput[];
      if (!known && parts.length > 0) return { node: this.#inParts(artifact, name, md5, parts) };
      const place = known ? undefined : this.#place({ artifact, name, md5, manifest: false });
      const signed = place === undefined ? { uploadUrl: null, uploadHeaders: null } : this.#signed(place);
      const storagePath = `wandb_artifacts/${artifact.id}/${md5}`;
      return {
        node: {
          displayName: name,
          storagePath,
          ...signed,
          uploadMultipartUrls: null,
          artifact: { id: artifact.id },
        },
      };
    });
    return { createArtifactFiles: { files: { edges } } };
  }

  #inParts(artifact: StoredArtifact, name: string, md5: string, parts: readonly PartInput[]) {
    const uploadID = `upload-${this.#uploads.size}`;
    const got = new Map<number, Buffer>();
    this.#uploads.set(uploadID, { artifact, name, md5, parts: got });
    const uploadUrlParts = parts.map(({ partNumber, hexMD5 }) => {
      const partMd5 = Buffer.from(hexMD5, "hex").toString("base64");
      const place = this.#place({ artifact, name, md5: partMd5, manifest: false, parts: got, partNumber });
      return { partNumber, uploadUrl: this.#signed(place).uploadUrl };
    });
    const uploadMultipartUrls = { uploadID, uploadUrlParts };
    const whole = {
      displayName: name,
      storagePath: name,
      uploadUrl: null,
      uploadHeaders: null,
      uploadMultipartUrls,
    };
    return { ...whole, artifact: { id: artifact.id } };
  }

  #join(variables: ArtifactCall): unknown {
    const upload = this.#uploads.get(String(variables["uploadID"]));
    const told = variables["completedParts"] as readonly PartInput[];
    if (upload === undefined) return new Error("no such upload");
    const bytes = Buffer.concat(
      told.map(({ partNumber }) => upload.parts.get(partNumber) ?? Buffer.alloc(0)),
    );
    if (createHash("md5").update(bytes).digest("base64") !== upload.md5)
      return new Error("parts are missing");
    upload.artifact.files.set(upload.name, bytes);
    this.content.set(upload.md5, bytes);
    return { completeMultipartUploadArtifact: { digest: upload.md5 } };
  }

  #place(place: Place): string {
    const id = `place-${this.#places.size}`;
    this.#places.set(id, place);
    return id;
  }

  #signed(place: string) {
    return {
      uploadUrl: `${this.#url()}/store/artifact/${place}`,
      uploadHeaders: [`X-Fake-Signature:${place}`],
    };
  }
}

/** Old clients (0.16) give a creation's fields one by one, and write the algorithm into the call's text. */
function creationOf(variables: ArtifactCall): ArtifactCall {
  if (variables["input"] !== undefined) return variables["input"] as ArtifactCall;
  const [artifactCollectionName] = variables["artifactCollectionNames"] as readonly string[];
  return { ...variables, artifactCollectionName, digestAlgorithm: "MANIFEST_MD5" };
}

/** Clients of different age give the files as they are or within an input. */
function filesOf(variables: ArtifactCall): readonly ArtifactCall[] {
  const input = (variables["input"] ?? variables) as ArtifactCall;
  return input["artifactFiles"] as readonly ArtifactCall[];
}
