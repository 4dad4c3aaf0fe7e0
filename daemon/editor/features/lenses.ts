/** Over `start_run` the last runs of the name; over `load` and `store` where the name leads, and what can be done. */
import type { CodeLens, Command } from "vscode-languageserver/node";
import type { CallSite } from "../references/reference.ts";
import { COMMANDS, commandOf } from "./command-names.ts";
import type { OpenFile } from "./feature.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp } from "./lookup.ts";
import { rangeOf } from "./place.ts";
import { age, named, summary } from "./words.ts";

const MOST_RUNS = 3;

export async function lenses(knowledge: Knowledge, file: OpenFile, signal: AbortSignal): Promise<CodeLens[]> {
  if (!knowledge.context.settings.codeLens || file.source === undefined) return [];
  const { calls } = await file.source.outline(signal);
  return calls.flatMap((call) => {
    const range = rangeOf(file, call.span);
    return commandsOf(knowledge, call).map((command) => ({ range, command }));
  });
}

function commandsOf(knowledge: Knowledge, call: CallSite): Command[] {
  if (call.kind === "start_run") return call.argument === undefined ? [] : ofRuns(knowledge, call.argument);
  const registry = knowledge.registryOf(call.registry);
  if (call.argument !== undefined) return ofRef(knowledge, registry, call.argument, call.kind);
  return call.kind === "store" ? ofNewest(knowledge, registry) : [];
}

function ofRuns(knowledge: Knowledge, name: string): Command[] {
  const now = knowledge.context.now();
  knowledge.shows(name);
  return knowledge
    .runs()
    .named(name, MOST_RUNS)
    .map((run) => commandOf(summary(run, now), COMMANDS.showRun, { runId: run.runId }));
}

function ofRef(knowledge: Knowledge, registry: string, ref: string, kind: "load" | "store"): Command[] {
  const index = knowledge.settled(registry);
  const found = index && lookUp(index, ref);
  if (found?.kind !== "model") return [];
  const { hash, model, move } = found;
  const now = knowledge.context.now();
  const since = move ?? (model && { atUs: model.createdAtUs });
  const lead = kind === "store" ? `${ref} is ` : "";
  const title = `${lead}${named(hash, model)}${since === undefined ? "" : ` · ${age(since.atUs, now)}`}`;
  const shown = commandOf(title, COMMANDS.showModel, { registry, ref });
  if (kind === "store") return [shown];
  const promoted = commandOf("Promote…", COMMANDS.promote, { registry, ref });
  if (move === undefined || move.previousHash === "") return [shown, promoted];
  return [shown, promoted, commandOf("Roll back…", COMMANDS.rollback, { registry, tag: move.name })];
}

function ofNewest(knowledge: Knowledge, registry: string): Command[] {
  const newest = knowledge.settled(registry)?.find("", 1)[0];
  if (newest === undefined) return [];
  const title = `newest: ${named(newest.hash, newest)} · ${age(newest.createdAtUs, knowledge.context.now())}`;
  return [commandOf(title, COMMANDS.showModel, { registry, ref: newest.hash })];
}
