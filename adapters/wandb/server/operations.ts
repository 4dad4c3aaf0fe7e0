/** The GraphQL operations that we use, as W&B's own client writes them, with the fields that we read. */

import { z } from "zod";
import type { Operation } from "./api.ts";

const Count = z.number().int().nullish();
const JsonText = z.string().nullish();

const Project = z.looseObject({ name: z.string(), entity: z.looseObject({ name: z.string() }) });

const Bucket = z.looseObject({
  id: z.string(),
  name: z.string(),
  config: JsonText,
  summaryMetrics: JsonText,
  tags: z.array(z.string()).nullish(),
  historyLineCount: Count,
  eventsLineCount: Count,
});
export type Bucket = z.infer<typeof Bucket>;

/** What the server has of a run. Variables: project, entity, name. */
export const RUN_STATUS: Operation<{
  model: (z.infer<typeof Project> & { bucket: Bucket | null }) | null;
}> = {
  text: `query RunResumeStatus($project: String, $entity: String, $name: String!) {
  model(name: $project, entityName: $entity) {
    id name entity { id name }
    bucket(name: $name, missingOk: true) { id name config summaryMetrics tags historyLineCount eventsLineCount }
  }
}`,
  data: z.looseObject({
    model: Project.extend({
      bucket: Bucket.nullish().transform((bucket) => bucket ?? null),
    }).nullable(),
  }),
};

/** Makes or changes a run. Variables that are null leave what they are about as it is. */
export const UPSERT_RUN: Operation<{
  upsertBucket: { bucket: { id: string; name: string; project: z.infer<typeof Project> } };
}> = {
  text: `mutation UpsertBucket($name: String, $project: String, $entity: String, $groupName: String, $displayName: String, $notes: String, $config: JSONString, $host: String, $jobType: String, $tags: [String!]) {
  upsertBucket(input: {name: $name, modelName: $project, entityName: $entity, groupName: $groupName, displayName: $displayName, notes: $notes, config: $config, host: $host, jobType: $jobType, tags: $tags}) {
    bucket { id name project { id name entity { id name } } }
    inserted
  }
}`,
  data: z.looseObject({
    upsertBucket: z.looseObject({
      bucket: z.looseObject({ id: z.string(), name: z.string(), project: Project }),
    }),
  }),
};

/** What the history has: `keys` is `{KEY: {typeCounts: [{type, count}]}}`, read key by key. Variables: project, entity, name. */
export const HISTORY_KEYS: Operation<{
  project: {
    run: { historyKeys: { keys?: unknown; lastStep?: number | null | undefined } | null } | null;
  } | null;
}> = {
  text: `query RunHistoryKeys($project: String!, $entity: String!, $name: String!) {
  project(name: $project, entityName: $entity) { run(name: $name) { historyKeys } }
}`,
  data: z.looseObject({
    project: z
      .looseObject({
        run: z
          .looseObject({
            historyKeys: z
              .looseObject({ keys: z.unknown().optional(), lastStep: z.number().nullish() })
              .nullable(),
          })
          .nullable(),
      })
      .nullable(),
  }),
};

/** What the history says of one key. */
export const HistoryKey = z.looseObject({
  typeCounts: z.array(z.looseObject({ count: z.number() })).default([]),
});

const Upload = z.looseObject({
  uploadUrl: z.string().nullish(),
  uploadHeaders: z.array(z.string()).nullish(),
});
export type Upload = z.infer<typeof Upload>;

/** Addresses for files of a run. Variables: entity, project, run, files. */
export const CREATE_RUN_FILES: Operation<{
  createRunFiles: {
    uploadHeaders?: string[] | null | undefined;
    files: { name: string; uploadUrl?: string | null | undefined }[];
  };
}> = {
  text: `mutation CreateRunFiles($entity: String!, $project: String!, $run: String!, $files: [String!]!) {
  createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) {
    runID uploadHeaders files { name uploadUrl }
  }
}`,
  data: z.looseObject({
    createRunFiles: z.looseObject({
      uploadHeaders: z.array(z.string()).nullish(),
      files: z.array(z.looseObject({ name: z.string(), uploadUrl: z.string().nullish() })),
    }),
  }),
};

/** Makes an artifact, or gives the one of the same digest. Variables: input. */
export const CREATE_ARTIFACT: Operation<{ createArtifact: { artifact: { id: string; state: string } } }> = {
  text: `mutation CreateArtifact($input: CreateArtifactInput!) {
  createArtifact(input: $input) { artifact { id state } }
}`,
  data: z.looseObject({
    createArtifact: z.looseObject({ artifact: z.looseObject({ id: z.string(), state: z.string() }) }),
  }),
};

/** Announces a manifest; with its digest and includeUpload, gives the address for it. */
export const CREATE_MANIFEST: Operation<{
  createArtifactManifest: { artifactManifest: { id: string; file?: Upload | null | undefined } };
}> = {
  text: `mutation CreateArtifactManifest($artifactID: ID!, $name: String!, $digest: String!, $entityName: String!, $projectName: String!, $runName: String!, $includeUpload: Boolean!) {
  createArtifactManifest(input: {artifactID: $artifactID, name: $name, digest: $digest, entityName: $entityName, projectName: $projectName, runName: $runName, type: FULL}) {
    artifactManifest { id file { id uploadUrl @include(if: $includeUpload) uploadHeaders @include(if: $includeUpload) } }
  }
}`,
  data: z.looseObject({
    createArtifactManifest: z.looseObject({
      artifactManifest: z.looseObject({ id: z.string(), file: Upload.nullish() }),
    }),
  }),
};

const Parts = z.looseObject({
  uploadID: z.string(),
  uploadUrlParts: z.array(z.looseObject({ partNumber: z.number().int(), uploadUrl: z.string() })),
});
export const ArtifactFile = Upload.extend({
  storagePath: z.string().nullish(),
  uploadMultipartUrls: Parts.nullish(),
  artifact: z.looseObject({ id: z.string() }),
});
export type ArtifactFile = z.infer<typeof ArtifactFile>;

/** Announces files; one without an address is stored already. Variables: artifactFiles. */
export const CREATE_ARTIFACT_FILES: Operation<{
  createArtifactFiles: { files: { edges: { node: ArtifactFile }[] } };
}> = {
  text: `mutation CreateArtifactFiles($artifactFiles: [CreateArtifactFileSpecInput!]!) {
  createArtifactFiles(input: {artifactFiles: $artifactFiles, storageLayout: V2}) {
    files { edges { node {
      storagePath uploadUrl uploadHeaders
      uploadMultipartUrls { uploadID uploadUrlParts { partNumber uploadUrl } }
      artifact { id }
    } } }
  }
}`,
  data: z.looseObject({
    createArtifactFiles: z.looseObject({
      files: z.looseObject({ edges: z.array(z.looseObject({ node: ArtifactFile })) }),
    }),
  }),
};

/** Joins the parts of a file. */
export const COMPLETE_PARTS: Operation<{ completeMultipartUploadArtifact: unknown }> = {
  text: `mutation CompleteMultipartUploadArtifact($completedParts: [UploadPartsInput!]!, $artifactID: ID!, $storagePath: String!, $uploadID: String!) {
  completeMultipartUploadArtifact(input: {completeMultipartAction: Complete, completedParts: $completedParts, artifactID: $artifactID, storagePath: $storagePath, uploadID: $uploadID}) { digest }
}`,
  data: z.looseObject({ completeMultipartUploadArtifact: z.looseObject({}) }),
};

/** Makes an artifact visible. Variables: artifactID. */
export const COMMIT_ARTIFACT: Operation<{ commitArtifact: unknown }> = {
  text: `mutation CommitArtifact($artifactID: ID!) {
  commitArtifact(input: {artifactID: $artifactID}) { artifact { id digest } }
}`,
  data: z.looseObject({ commitArtifact: z.looseObject({}) }),
};
