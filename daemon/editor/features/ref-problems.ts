/** What is wrong with a ref, given what it stands for. */
import type { TagMoveDocument } from "@pipekit/proto/editor";
import { DiagnosticSeverity } from "vscode-languageserver/node";
import type { ModelIndex } from "../../view/index.ts";
import type { Reference } from "../references/reference.ts";
import type { Lookup } from "./lookup.ts";
import { nearTags } from "./near-tags.ts";
import { pinOrigin } from "./pin.ts";
import { CODES, type Problem, warning } from "./problem.ts";
import { ago, clipped, named, short } from "./words.ts";

export function ofAmbiguous(text: string): Problem {
  return warning(CODES.ambiguousRef, `${text} is the beginning of several hashes. Give more digits.`);
}

export function ofMissing(index: ModelIndex, text: string, { ref }: Lookup & { kind: "missing" }): Problem {
  const place = index.registry === "" ? "The registry" : `The registry ${index.registry}`;
  if (ref.kind === "hash" || ref.kind === "prefix") {
    return warning(CODES.unknownModel, `${place} has no model ${short(text)}….`);
  }
  if (index.tag(ref.name) !== undefined) {
    return warning(CODES.unknownModel, `${text} leads nowhere: ${ref.name} has not moved so often.`);
  }
  const [near] = nearTags(index, ref.name);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  return warning(CODES.unknownTag, `${place} has no tag ${ref.name}.${hint}`);
}

/** A tag that has moved since the file was written. */
export function ofMove(
  index: ModelIndex,
  { move }: Lookup & { kind: "model" },
  writtenAtUs: number | undefined,
  now: number,
): Problem[] {
  if (move === undefined || writtenAtUs === undefined || move.atUs <= writtenAtUs) return [];
  const { name, hash, atUs, reason } = move;
  const why = reason === "" ? "" : ` (${clipped(reason, 120)})`;
  const to = named(hash, index.model(hash));
  const message = `${name} has moved to ${to}${by(move)} ${ago(atUs, now)}, since this file was written${why}.`;
  return [{ code: CODES.tagMoved, severity: DiagnosticSeverity.Information, message }];
}

/** A pinned hash whose tag leads elsewhere by now. */
export function ofPin(index: ModelIndex, reference: Reference, hash: string, now: number): Problem[] {
  const move = movedFrom(index, reference, hash);
  if (move === undefined) return [];
  const to = named(move.hash, index.model(move.hash));
  const since = `${move.name}@${move.seq}${by(move)}, ${ago(move.atUs, now)}`;
  const message = `Pinned from ${reference.pinnedFrom}, but ${move.name} leads to ${to} now (${since}).`;
  return [warning(CODES.stalePin, message)];
}

/** The last move of the tag that a hash was pinned from, when it leads to another model by now. */
export function movedFrom(
  index: ModelIndex,
  { pinnedFrom }: Reference,
  hash: string,
): TagMoveDocument | undefined {
  const origin = pinnedFrom === undefined ? undefined : pinOrigin(pinnedFrom);
  const move = origin && index.tag(origin.name);
  if (origin === undefined || move === undefined || move.hash === "") return undefined;
  return move.seq > origin.seq && move.hash !== hash ? move : undefined;
}

function by({ actor }: TagMoveDocument): string {
  return actor === "" ? "" : ` by ${clipped(actor, 80)}`;
}
