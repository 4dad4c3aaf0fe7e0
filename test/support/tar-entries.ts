/** Entries of tar files in memory, to be taken apart and put together in ways that no export does. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { extract, type Header, pack } from "tar-stream";

export interface TarEntry extends Partial<Header> {
  readonly name: string;
  readonly body: Buffer;
}

export async function unpacked(archive: Buffer): Promise<TarEntry[]> {
  const tar = extract();
  Readable.from([archive]).pipe(tar as unknown as NodeJS.WritableStream);
  const entries: TarEntry[] = [];
  for await (const entry of tar) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ name: entry.header.name, body: Buffer.concat(chunks) });
  }
  return entries;
}

export async function packed(entries: readonly TarEntry[]): Promise<Buffer> {
  const tar = pack();
  for (const { body, ...header } of entries) tar.entry(header, body);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The entries with a SHA256SUMS that fits them. */
export function summed(entries: readonly TarEntry[]): TarEntry[] {
  const others = entries.filter(({ name }) => name !== "SHA256SUMS");
  const lines = others.map(
    ({ name, body }) => `${createHash("sha256").update(body).digest("hex")}  ${name}\n`,
  );
  return [...others, { name: "SHA256SUMS", body: Buffer.from(lines.join("")) }];
}
