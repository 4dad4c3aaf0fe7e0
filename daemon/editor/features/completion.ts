/** What may be typed in a string: refs, tags, run ids, registries and sinks. */
import type { ModelBrief, RunBrief, TagMoveDocument } from "@pipekit/proto/editor";
import {
  type CompletionItem,
  CompletionItemKind,
  type CompletionList,
  type Position,
  type Range,
} from "vscode-languageserver/node";
import type { ModelIndex } from "../../view/index.ts";
import type { Slot } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import { patience } from "./finding.ts";
import type { Knowledge } from "./knowledge.ts";
import { rangeOf } from "./place.ts";
import { within } from "./within.ts";
import { age, clipped, named, short, summary } from "./words.ts";
import { scalar } from "./yaml-scalar.ts";

/** A longer list helps nobody, and takes time to show. */
const MOST = 200;
const MOST_MOVES = 50;

/** One thing to choose, before it has a place and a rank. */
interface Choice {
  readonly label: string;
  readonly insert: string;
  readonly kind: CompletionItemKind;
  readonly detail: string;
  /** What the editor matches with what is typed. */
  readonly filter: string;
}

export async function complete(
  knowledge: Knowledge,
  file: OpenFile,
  at: Position,
  signal: AbortSignal,
): Promise<CompletionList | null> {
  const offset = file.document.offsetAt(at);
  const slot = await file.source?.slotAt(offset, signal);
  if (slot === undefined) return null;
  const choices = await choicesOf(knowledge, slot, signal);
  const range = lineOf(file, slot, at);
  const items = choices
    .slice(0, MOST)
    .map((choice, rank) => itemOf(choice, rank, range, scalar(file, slot.span, choice.insert)));
  return { isIncomplete: choices.length > MOST, items };
}

/** Up to one more than are shown. */
async function choicesOf(knowledge: Knowledge, slot: Slot, signal: AbortSignal): Promise<Choice[]> {
  switch (slot.kind) {
    case "run": {
      const runs = knowledge.runs();
      if (!knowledge.haveRuns) await within(patience(false), signal, (limit) => runs.ready(limit));
      const now = knowledge.context.now();
      return runs.find(fits(slot.typed, runs.size), MOST + 1).map((run) => runChoice(run, now));
    }
    case "registry":
      return knowledge.registries().map((spec) => specChoice(spec, "registry"));
    case "sink":
      return sinks(knowledge).map((spec) => specChoice(spec, "sink"));
    case "tag":
    case "model": {
      const index = knowledge.models(knowledge.registryOf(slot.registry));
      if (!index.filled) await within(patience(false), signal, (limit) => index.ready(limit));
      const now = knowledge.context.now();
      const name =
        slot.kind === "model" ? index.tag(BEFORE_MOVE.exec(slot.typed)?.[1] ?? "")?.name : undefined;
      if (name !== undefined) return movesOf(knowledge, index, name, signal);
      const tags = tagsOf(index, slot.typed).map((move) => tagChoice(move, index, now));
      if (slot.kind === "tag") return tags;
      const models = index
        .find(fits(slot.typed, index.size), MOST + 1)
        .map((model) => modelChoice(model, now));
      return [...tags, ...models].slice(0, MOST + 1);
    }
  }
}

/** A tag and the sign behind which the number of a move stands. */
const BEFORE_MOVE = /^([^@]+)@\d*$/;

/** The last moves of a tag, such as `production@7`, as far as they are told at once. */
async function movesOf(
  { context }: Knowledge,
  index: ModelIndex,
  name: string,
  signal: AbortSignal,
): Promise<Choice[]> {
  const answer = await within(patience(false), signal, (limit) =>
    context.view.ask("pipekit/tagHistory", { registry: index.registry, name, limit: MOST_MOVES }, limit),
  );
  if (answer.kind !== "value") return [];
  return answer.value.moves
    .filter(({ hash }) => hash !== "")
    .map((move) => moveChoice(move, index, context.now()));
}

function moveChoice(move: TagMoveDocument, index: ModelIndex, now: number): Choice {
  const { name, seq, reason } = move;
  const ref = `${name}@${seq}`;
  const { kind, detail } = tagChoice(move, index, now);
  const why = reason === "" ? "" : `, ${clipped(reason, 60)}`;
  return { label: ref, insert: ref, filter: ref, kind, detail: detail + why };
}

/** A text to look for. All, where all can be shown: the editor matches more kindly than we do. */
function fits(typed: string, size: number): string {
  return size > MOST ? typed : "";
}

function tagsOf(index: ModelIndex, typed: string): TagMoveDocument[] {
  const tags = index.tags().filter((move) => move.hash !== "");
  const wanted = fits(typed, tags.length).toLowerCase();
  return tags
    .filter((move) => move.name.toLowerCase().includes(wanted))
    .sort((one, other) => other.atUs - one.atUs)
    .slice(0, MOST + 1);
}

function tagChoice(move: TagMoveDocument, index: ModelIndex, now: number): Choice {
  const { name, hash, atUs } = move;
  const detail = `→ ${named(hash, index.model(hash))}, ${age(atUs, now)}`;
  return { label: name, insert: name, kind: CompletionItemKind.Constant, detail, filter: name };
}

function modelChoice({ hash, operator, createdAtUs, tags }: ModelBrief, now: number): Choice {
  return {
    label: short(hash),
    insert: hash,
    kind: CompletionItemKind.Class,
    detail: [operator, age(createdAtUs, now), ...tags].filter((part) => part !== "").join(", "),
    filter: [hash, operator, ...tags].join(" "),
  };
}

function runChoice(run: RunBrief, now: number): Choice {
  return {
    label: run.name === "" ? run.runId : run.name,
    insert: run.runId,
    kind: CompletionItemKind.Event,
    detail: summary(run, now),
    filter: `${run.runId} ${run.name}`,
  };
}

function specChoice(spec: string, detail: string): Choice {
  return { label: spec, insert: spec, kind: CompletionItemKind.Value, detail, filter: spec };
}

/** Specs that the newest runs were sent to. */
function sinks(knowledge: Knowledge): string[] {
  const runs = knowledge.runs().find("", 1000);
  return [...new Set(runs.flatMap((run) => run.sinks.map((sink) => sink.spec)))].slice(0, MOST + 1);
}

/** The text that is replaced: an edit of a completion may not leave the cursor's line. */
function lineOf(file: OpenFile, slot: Slot, at: Position): Range {
  const { start, end } = rangeOf(file, slot.span);
  return {
    start: start.line === at.line ? start : { line: at.line, character: 0 },
    end: end.line === at.line ? end : at,
  };
}

function itemOf(choice: Choice, rank: number, range: Range, newText: string): CompletionItem {
  const { label, kind, detail, filter } = choice;
  return {
    label,
    kind,
    detail,
    filterText: filter,
    // Ours is the order that helps: names first, then the newest.
    sortText: String(rank).padStart(4, "0"),
    textEdit: { range, newText },
  };
}
