/** A bucket of S3 with the files of a folder; what is written to it is forgotten. */
import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join, relative } from "node:path";
import type { Reply } from "./hostile-server.ts";

export function bucketOf(root: string): (request: IncomingMessage) => Promise<Reply> {
  return async ({ url = "/", method, headers: { range } }) => {
    const { pathname, searchParams } = new URL(url, "http://x");
    const key = decodeURIComponent(pathname).replace(/^\/models\/r\/?/, "");
    if (method === "PUT" || method === "DELETE")
      return { status: 200, headers: { etag: '"x"' }, body: Buffer.alloc(0) };
    const xml = { "content-type": "application/xml" };
    if (searchParams.has("list-type"))
      return { status: 200, headers: xml, body: Buffer.from(listing(root, searchParams)) };
    try {
      const whole = readFileSync(join(root, key));
      const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
      const body = whole.subarray(Number(from), to === "" ? undefined : Number(to) + 1);
      const place = { "content-range": `bytes ${from}-${Number(from) + body.length - 1}/${whole.length}` };
      const headers = {
        etag: '"e"',
        "last-modified": new Date(0).toUTCString(),
        ...(range === undefined ? {} : place),
      };
      if (method === "HEAD")
        return {
          status: 200,
          headers: { ...headers, "content-length": String(whole.length) },
          body: Buffer.alloc(0),
        };
      return { status: range === undefined ? 200 : 206, headers, body };
    } catch {
      return {
        status: 404,
        headers: xml,
        body: Buffer.from("<Error><Code>NoSuchKey</Code><Message>no</Message></Error>"),
      };
    }
  };
}

function listing(root: string, query: URLSearchParams): string {
  const prefix = query.get("prefix") ?? "";
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const keys = files
    .map(({ parentPath, name }) => `r/${relative(root, join(parentPath, name))}`)
    .filter((key) => key.startsWith(prefix))
    .sort();
  const inner = query.has("delimiter")
    ? [...new Set(keys.map((key) => `${prefix}${key.slice(prefix.length).split("/")[0]}/`))].map(
        (key) => `<CommonPrefixes><Prefix>${key}</Prefix></CommonPrefixes>`,
      )
    : keys.map(
        (key) =>
          `<Contents><Key>${key}</Key><Size>1</Size><ETag>"e"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
      );
  return `<?xml version="1.0"?><ListBucketResult><Name>models</Name><IsTruncated>false</IsTruncated>${inner.join("")}</ListBucketResult>`;
}
