/**
 * What is wrong, or other than it was, with what a file names.
 *
 * That something does not exist is said only where the registry says so itself. A daemon that is away, or a registry that
 * is slow, gives no warning.
 */
import { checkTagName, PipekitError } from "@pipekit/proto";
import { type Diagnostic, DiagnosticSeverity } from "vscode-languageserver/node";
import type { ModelIndex } from "../../view/index.ts";
import type { Reference } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp, refFault } from "./lookup.ts";
import { rangeOf, referencesOf } from "./place.ts";
import { CODES, faulty, type Problem, SOURCE } from "./problem.ts";
import { ofAmbiguous, ofMissing, ofMove, ofPin } from "./ref-problems.ts";
import { clipped } from "./words.ts";

/** Refs of one file that the daemon is asked about. */
const MOST_ASKED = 50;

/** One look at a file. */
interface Look {
  readonly knowledge: Knowledge;
  readonly writtenAtUs: number | undefined;
  readonly signal: AbortSignal;
  /** Registries whose spec was complained about. */
  readonly told: Set<string>;
  asked: number;
}

export async function diagnostics(
  knowledge: Knowledge,
  file: OpenFile,
  signal: AbortSignal,
): Promise<Diagnostic[]> {
  const certain = (await referencesOf(file, signal)).filter((reference) => reference.certain);
  if (certain.length === 0) return [];
  const writtenAtUs = await file.writtenAtUs();
  const look: Look = { knowledge, writtenAtUs, signal, told: new Set(), asked: 0 };
  const found = await Promise.all(
    certain.map(async (reference) => {
      const problems = await problemsOf(look, reference);
      return problems.map((problem) => ({
        ...problem,
        range: rangeOf(file, reference.span),
        source: SOURCE,
      }));
    }),
  );
  return found.flat();
}

async function problemsOf(look: Look, reference: Reference): Promise<Problem[]> {
  const { knowledge, told } = look;
  if (reference.kind === "run") return ofRun(knowledge, reference);
  const registry = knowledge.registryOf(reference.registry);
  const index = knowledge.settled(registry);
  const fault = knowledge.invalidity(registry);
  if (fault !== undefined) {
    if (told.has(registry)) return [];
    told.add(registry);
    return [faulty(CODES.invalidRegistry, fault)];
  }
  if (reference.kind === "tag") return ofTagName(reference);
  if (index !== undefined) return ofModel(look, index, reference);
  const form = refFault(reference.text);
  return form === undefined ? [] : [faulty(CODES.invalidRef, form)];
}

async function ofModel(look: Look, index: ModelIndex, reference: Reference): Promise<Problem[]> {
  const { knowledge, writtenAtUs, signal } = look;
  const { text } = reference;
  const found = lookUp(index, text);
  switch (found.kind) {
    case "malformed":
      return [faulty(CODES.invalidRef, found.failure)];
    case "missing":
    case "ambiguous": {
      if (knowledge.isAway || ++look.asked > MOST_ASKED) return [];
      const denial = await knowledge.denials.of(index.registry, text, signal);
      if (denial === "REF_AMBIGUOUS") return [ofAmbiguous(text)];
      return denial === undefined || found.kind === "ambiguous" ? [] : [ofMissing(index, text, found)];
    }
    case "model": {
      const now = knowledge.context.now();
      return [...ofPin(index, reference, found.hash, now), ...ofMove(index, found, writtenAtUs, now)];
    }
    case "unknown":
      return [];
  }
}

/** A tag need not exist where it is moved; its name must be one. */
function ofTagName({ text }: Reference): Problem[] {
  try {
    checkTagName(text);
    return [];
  } catch (error) {
    if (!(error instanceof PipekitError)) throw error;
    return [faulty(CODES.invalidRef, error)];
  }
}

/** A run of another machine, or one that was pruned, may stand in a file for good reason: this is only a hint. */
function ofRun(knowledge: Knowledge, { text }: Reference): Problem[] {
  knowledge.shows(text);
  const runs = knowledge.runs();
  if (!knowledge.haveRuns || knowledge.isAway || runs.get(text) !== undefined) return [];
  const message = `The daemon knows no run ${clipped(text, 40)}.`;
  return [{ code: CODES.unknownRun, severity: DiagnosticSeverity.Hint, message }];
}
