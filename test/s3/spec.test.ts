import { s3Registry } from "@pipekit/adapters/s3";
import { describe, expect, test } from "vitest";

describe("a spec of an S3 registry", () => {
  test.each([
    ["s3://my-bucket", "s3://my-bucket/models/"],
    ["S3://my-bucket/", "s3://my-bucket/models/"],
    ["s3://my-bucket/team/a", "s3://my-bucket/team/a/"],
    ["s3://b.c/x/?region=eu-central-1&poll_ms=1000&path_style=false", "s3://b.c/x/?region=eu-central-1"],
    [
      "s3://bkt/x?profile=prod&endpoint=HTTPS://S3.Example.org:9000/",
      "s3://bkt/x/?endpoint=https://s3.example.org:9000&profile=prod",
    ],
    ["s3://bkt?endpoint=http://h&path_style=true", "s3://bkt/models/?endpoint=http://h"],
    ["s3://bkt?endpoint=http://h&path_style=false", "s3://bkt/models/?endpoint=http://h&path_style=false"],
    [
      "s3://bkt?storage_class=STANDARD_IA&sse=aws:kms&kms_key=arn:aws:kms:eu-west-1:1:key/ab-c",
      "s3://bkt/models/?kms_key=arn:aws:kms:eu-west-1:1:key/ab-c&sse=aws:kms&storage_class=STANDARD_IA",
    ],
    [
      "s3://bkt?unsafe_without_conditional_writes=true&checksum=md5&poll_ms=50",
      "s3://bkt/models/?checksum=md5&poll_ms=50&unsafe_without_conditional_writes=true",
    ],
    ["s3://bkt?checksum=crc32", "s3://bkt/models/"],
    ["s3://bkt?checksum=sha256", "s3://bkt/models/?checksum=sha256"],
  ])("%s has one spelling", (spec, canonical) => {
    expect(s3Registry.parse(spec)).toBe(canonical);
    expect(s3Registry.parse(canonical)).toBe(canonical);
  });

  test.each([
    ["local:/x", /not of the form/],
    ["s3:bucket", /not of the form/],
    ["s3://", /no bucket/],
    ["s3://b#x", /not of the form/],
    ["s3://UPPER/x", /bucket/],
    ["s3://ab", /bucket/],
    ["s3://a..b", /bucket/],
    ["s3://1.2.3.4", /bucket/],
    ["s3://zone--x-s3/", /directory bucket/],
    ["s3://bkt/a//b", /prefix/],
    ["s3://bkt/../b", /prefix/],
    ["s3://bkt/a%00b", /prefix/],
    ["s3://bkt/a b", /prefix/],
    [`s3://bkt/${"p".repeat(600)}`, /prefix/],
    ["s3://bkt?endpoint=s3.example.org", /endpoint/],
    ["s3://bkt?endpoint=ftp://h", /endpoint/],
    ["s3://bkt?endpoint=http://h/base", /endpoint/],
    ["s3://bkt?region=Frankfurt", /region/],
    ["s3://bkt?region=a&region=b", /region/],
    ["s3://bkt?path_style=yes", /path_style/],
    ["s3://bkt?sse=AES512", /sse/],
    ["s3://bkt?checksum=crc64", /checksum/],
    ["s3://bkt?kms_key=abc", /kms_key/],
    ["s3://bkt?storage_class=GLACIER", /cannot be read at once/],
    ["s3://bkt?poll_ms=0", /poll_ms/],
    ["s3://bkt?bucket=x", /unknown query key `bucket`/],
  ])("%s is refused with a mend", (spec, message) => {
    expect(() => s3Registry.parse(spec)).toThrow(
      expect.objectContaining({
        name: "SpecError",
        message: expect.stringMatching(message),
        mend: expect.stringMatching(/.{15}/),
      }),
    );
  });

  test.each([
    "s3://AKIAHIDDEN:hiddenhidden@bkt/x",
    "s3://bkt?secret=hiddenhidden",
    "s3://bkt?aws_secret_access_key=hiddenhidden",
    "s3://bkt?access_key=AKIAHIDDEN",
    "s3://bkt?session_token=hiddenhidden",
    "s3://bkt?hiddenhidden=1",
    "s3://bkt?endpoint=http://user:hiddenhidden@h",
    "s3://bkt?profile=hidden/hidden/",
  ])("%s is refused without repeating it", (spec) => {
    let failure: unknown;
    try {
      s3Registry.parse(spec);
    } catch (error) {
      failure = error;
    }
    expect(failure).toMatchObject({ name: "SpecError" });
    const { message, mend } = failure as Error & { mend: string };
    expect(message + mend).not.toMatch(/hidden\/|HIDDEN|hiddenhidden`?=|hiddenhidden@|user/);
  });
});
