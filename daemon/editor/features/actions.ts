/** What can be done about a ref: fix it, pin it, unpin it, promote its model, roll its tag back. */

import type { TagMoveDocument } from "@pipekit/proto/editor";
import { type CodeAction, CodeActionKind, type Diagnostic, type Range } from "vscode-languageserver/node";
import type { ModelIndex } from "../../view/index.ts";
import type { Reference } from "../references/reference.ts";
import { COMMANDS, commandOf } from "./command-names.ts";
import type { OpenFile } from "./feature.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp } from "./lookup.ts";
import { nearTags } from "./near-tags.ts";
import { pin, pinOrigin, repin, unpin } from "./pin.ts";
import { changes, rangeOf, referencesOf, spanOf, touches } from "./place.ts";
import { CODES, SOURCE } from "./problem.ts";
import { movedFrom } from "./ref-problems.ts";
import { replacements } from "./replacing.ts";
import { short } from "./words.ts";
import { scalar } from "./yaml-scalar.ts";

/** Commands that change a registry have a kind of their own, so that no "fix all" meets them. */
const DEED = "pipekit";
const MOST_TAGS = 5;

/** A reference that the selection touches, and what is known of it. */
interface Place {
  readonly file: OpenFile;
  readonly reference: Reference;
  readonly registry: string;
  readonly index: ModelIndex;
  readonly diagnostics: readonly Diagnostic[];
}

export async function actions(
  knowledge: Knowledge,
  file: OpenFile,
  range: Range,
  diagnostics: readonly Diagnostic[],
  signal: AbortSignal,
): Promise<CodeAction[]> {
  const selected = spanOf(file, range);
  const references = (await referencesOf(file, signal)).filter(
    ({ kind, span }) => kind !== "run" && touches(span, selected),
  );
  const found: CodeAction[] = replacements(file, diagnostics);
  for (const reference of references) {
    const registry = knowledge.registryOf(reference.registry);
    // Asked for at every move of the cursor, also in a spec that is being typed.
    const index = knowledge.settled(registry);
    if (index === undefined) continue;
    const place = { file, reference, registry, index, diagnostics };
    found.push(...(await ofPlace(place, signal)));
  }
  return found;
}

async function ofPlace(place: Place, signal: AbortSignal): Promise<CodeAction[]> {
  const { reference, index, registry } = place;
  const found = lookUp(index, reference.text);
  if (found.kind === "missing" && reference.certain && reference.kind === "model") return fixes(place);
  if (found.kind !== "model") return [];
  const { hash, move } = found;
  const deeds = promotions(place, hash);
  if (move === undefined) return [...pinned(place, hash), ...deeds];
  const isRead = reference.kind === "model";
  const pins = isRead ? await pinning(place, move, signal) : [];
  return [...pins, ...(isRead ? deeds : []), ...rollback(registry, move)];
}

/** Names that may have been meant. */
function fixes(place: Place): CodeAction[] {
  const { file, reference, index } = place;
  return nearTags(index, reference.text).map((name, rank) => ({
    title: `Change to ${name}`,
    kind: CodeActionKind.QuickFix,
    isPreferred: rank === 0,
    diagnostics: mended(place, CODES.unknownTag),
    edit: changes(file, [{ ...reference.span, insert: scalar(file, reference.span, name) }]),
  }));
}

async function pinning(place: Place, move: TagMoveDocument, signal: AbortSignal): Promise<CodeAction[]> {
  const { file, reference } = place;
  const edits = await pin(file, reference, move.hash, move, signal);
  const title = `Pin to hash ${short(move.hash)} (${move.name}@${move.seq})`;
  const moved = mended(place, CODES.tagMoved);
  return [
    {
      title,
      kind: moved.length > 0 ? CodeActionKind.QuickFix : CodeActionKind.RefactorRewrite,
      diagnostics: moved,
      edit: changes(file, edits),
    },
  ];
}

/** What can be done about a hash that tells where it came from. */
function pinned(place: Place, hash: string): CodeAction[] {
  const { file, reference, index } = place;
  const origin = reference.pinnedFrom === undefined ? undefined : pinOrigin(reference.pinnedFrom);
  if (origin === undefined) return [];
  const free: CodeAction = {
    title: `Unpin: use ${origin.name}`,
    kind: CodeActionKind.RefactorRewrite,
    edit: changes(file, unpin(file, reference, origin)),
  };
  const move = movedFrom(index, reference, hash);
  if (move === undefined) return [free];
  const update: CodeAction = {
    title: `Update the pin to ${short(move.hash)} (${move.name}@${move.seq})`,
    kind: CodeActionKind.QuickFix,
    isPreferred: true,
    diagnostics: mended(place, CODES.stalePin),
    edit: changes(file, repin(file, reference, move.hash, move)),
  };
  return [update, free];
}

function promotions({ index, registry, reference }: Place, hash: string): CodeAction[] {
  const what = reference.text.length > 40 ? short(reference.text) : reference.text;
  const others = index
    .tags()
    .filter((tag) => tag.hash !== hash && tag.hash !== "")
    .sort((one, other) => other.atUs - one.atUs)
    .slice(0, MOST_TAGS)
    .map(({ name }) =>
      deed(`Promote ${what} to ${name}…`, COMMANDS.promote, { registry, ref: reference.text, tag: name }),
    );
  return [
    ...others,
    deed(`Promote ${what} to another tag…`, COMMANDS.promote, { registry, ref: reference.text }),
  ];
}

function rollback(registry: string, { name, previousHash }: TagMoveDocument): CodeAction[] {
  if (previousHash === "") return [];
  return [deed(`Roll back ${name} to ${short(previousHash)}…`, COMMANDS.rollback, { registry, tag: name })];
}

function deed(
  title: string,
  command: (typeof COMMANDS)["promote" | "rollback"],
  argument: Readonly<{ [name: string]: unknown }>,
): CodeAction {
  return { title, kind: DEED, command: commandOf(title, command, argument) };
}

/** The diagnostics of ours that an action of this place mends. */
function mended({ file, reference, diagnostics }: Place, code: string): Diagnostic[] {
  const { start } = rangeOf(file, reference.span);
  return diagnostics.filter(
    (one) =>
      one.source === SOURCE &&
      one.code === code &&
      one.range.start.line === start.line &&
      one.range.start.character === start.character,
  );
}
