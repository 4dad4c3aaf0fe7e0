import type { RegistryBackend } from "@pipekit/adapters/registry";

/** What `list` takes, and how many keys it is asked for at once. */
export interface ListAllOptions {
  readonly after?: string | undefined;
  readonly folders?: boolean;
  readonly page?: number;
}

/** All that `backend.list` gives under a prefix, page by page. */
export async function* listAll(
  backend: RegistryBackend,
  prefix: string,
  { after, folders = false, page = 1000 }: ListAllOptions,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (let last = after; ; ) {
    const options = { limit: page, folders, ...(last !== undefined && { after: last }) };
    const keys = await backend.list(prefix, options, signal);
    yield* keys;
    if (keys.length < page) return;
    last = keys.at(-1);
  }
}
