/** Which tool's runs a source holds. */
import { isAbsolute } from "node:path";
import { type HistoryKind, type RunHistory, SourceError } from "@pipekit/adapters/history";
import { SpecError } from "@pipekit/adapters/tracker";
import { PipekitError } from "@pipekit/proto";
import type { ImportParts } from "./parts.ts";

/** An opened source. */
export interface Source {
  readonly tool: string;
  readonly history: RunHistory;
}

/** Opens a spec, or a path that shows by what lies there whose it is. Throws SOURCE_UNREADABLE, INVALID_ARGUMENT. */
export async function openSource(
  { kinds, context }: Pick<ImportParts, "kinds" | "context">,
  source: string,
  signal: AbortSignal,
): Promise<Source> {
  return withTypedFaults(async () => {
    const kind = await kindOf(kinds, source.trim());
    const reader = await kind.load();
    return { tool: kind.tool, history: await reader.open(source.trim(), context, signal) };
  });
}

/** Runs a call; a fault of a source becomes the failure that clients know. */
export async function withTypedFaults<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof SourceError) {
      throw new PipekitError("SOURCE_UNREADABLE", cause.message, {
        field: "source",
        mend: cause.mend,
        cause,
      });
    }
    if (cause instanceof SpecError) {
      throw new PipekitError("INVALID_ARGUMENT", cause.message, { field: "source", mend: cause.mend, cause });
    }
    throw cause;
  }
}

async function kindOf(kinds: readonly HistoryKind[], source: string): Promise<HistoryKind> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(source)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    const named = kinds.find(({ schemes }) => schemes.includes(scheme));
    if (named !== undefined) return named;
    const known = kinds.flatMap(({ schemes }) => schemes).join(", ");
    throw new SpecError(`No source has the scheme ${scheme}.`, `Known schemes are ${known}; or name a path.`);
  }
  if (!isAbsolute(source))
    throw new SpecError("The path of the source is not absolute.", "Name an absolute path.");
  for (const kind of kinds) if (await (await kind.load()).recognises(source)) return kind;
  throw new SourceError(
    `${source} does not exist, or holds no runs of ${kinds.map(({ tool }) => tool).join(", ")}.`,
    "Name the tool's own folder or file, as `pkx import --help` shows.",
  );
}
