/** The action that a policy must allow for each operation. */
export const PERMISSIONS: Readonly<Record<string, string>> = {
  GetObject: "s3:GetObject",
  // Without s3:ListBucket a missing object is answered like a forbidden one.
  HeadObject: "s3:GetObject (and s3:ListBucket)",
  PutObject: "s3:PutObject",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
  CopyObject: "s3:GetObject and s3:PutObject",
  UploadPartCopy: "s3:GetObject and s3:PutObject",
  DeleteObject: "s3:DeleteObject",
  ListObjectsV2: "s3:ListBucket",
  ListMultipartUploads: "s3:ListBucketMultipartUploads",
  ListParts: "s3:ListMultipartUploadParts",
  AbortMultipartUpload: "s3:AbortMultipartUpload",
};
