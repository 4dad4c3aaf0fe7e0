/**
 * Runs, tags and models for the editor's search over the workspace.
 *
 * A symbol must have a place. A run that a tracker shows has its page there, which editors open in the browser; all else
 * has a `pipekit:` address, which an editor's extension opens as a page, and others list only.
 */
import type { ModelBrief, RunBrief, TagMoveDocument } from "@pipekit/proto/editor";
import { SymbolKind, type WorkspaceSymbol } from "vscode-languageserver/node";
import { patience } from "./finding.ts";
import type { Knowledge } from "./knowledge.ts";
import { remoteAddress } from "./links.ts";
import { within } from "./within.ts";
import { age, named, short, summary } from "./words.ts";

const MOST = 200;

export async function symbols(
  knowledge: Knowledge,
  query: string,
  signal: AbortSignal,
): Promise<WorkspaceSymbol[]> {
  const { registry } = knowledge.context.settings;
  const runs = knowledge.runs();
  const index = knowledge.models(registry);
  if (!knowledge.haveRuns || !index.filled) {
    await within(patience(false), signal, (limit) => Promise.all([runs.ready(limit), index.ready(limit)]));
  }
  const now = knowledge.context.now();
  const wanted = query.toLowerCase();
  const tags = index
    .tags()
    .filter(({ name, hash }) => hash !== "" && name.toLowerCase().includes(wanted))
    .slice(0, MOST / 2)
    .map((move) => ofTag(move, index.model(move.hash), registry, now));
  const models = index.find(query, MOST / 4).map((model) => ofModel(model, registry, now));
  const rest = MOST - tags.length - models.length;
  return [...tags, ...models, ...runs.find(query, rest).map((run) => ofRun(run, now))];
}

function ofRun(run: RunBrief, now: number): WorkspaceSymbol {
  const uri = remoteAddress(run)?.address ?? `pipekit:/run/${run.runId}`;
  return symbolOf(run.name === "" ? run.runId : run.name, SymbolKind.Event, uri, summary(run, now));
}

function ofTag(
  { name, hash, atUs }: TagMoveDocument,
  model: ModelBrief | undefined,
  registry: string,
  now: number,
): WorkspaceSymbol {
  const uri = addressOf("tag", name, registry);
  return symbolOf(name, SymbolKind.Constant, uri, `${named(hash, model)} · ${age(atUs, now)}`);
}

function ofModel(
  { hash, operator, createdAtUs }: ModelBrief,
  registry: string,
  now: number,
): WorkspaceSymbol {
  const name = operator === "" ? short(hash) : `${operator} ${short(hash)}`;
  return symbolOf(
    name,
    SymbolKind.Class,
    addressOf("model", hash, registry),
    `stored ${age(createdAtUs, now)} ago`,
  );
}

function addressOf(kind: "tag" | "model", name: string, registry: string): string {
  const query = registry === "" ? "" : `?registry=${encodeURIComponent(registry)}`;
  return `pipekit:/${kind}/${encodeURIComponent(name)}${query}`;
}

function symbolOf(name: string, kind: SymbolKind, uri: string, containerName: string): WorkspaceSymbol {
  const start = { line: 0, character: 0 };
  return { name, kind, containerName, location: { uri, range: { start, end: start } } };
}
