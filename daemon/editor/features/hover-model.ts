/** What a hover tells of a model, and of a name that leads to one. */
import type { Ref } from "@pipekit/proto";
import type { ModelBrief, RunBrief, TagMoveDocument } from "@pipekit/proto/editor";
import { bytes, moment } from "../../format.ts";
import type { ModelIndex } from "../../view/index.ts";
import { type Card, type Fact, joined, type Piece } from "./card.ts";
import type { Finding } from "./finding.ts";
import type { Knowledge } from "./knowledge.ts";
import type { Lookup } from "./lookup.ts";
import { nearTags } from "./near-tags.ts";
import { ago, clock, named, value } from "./words.ts";

const MOST_TAGS = 10;

/** The card of what was found; `run` made the model. */
export function modelCard(
  knowledge: Knowledge,
  text: string,
  { registry, lookup, asOfUs }: Finding,
  run: RunBrief | undefined,
): Card {
  const index = knowledge.models(registry);
  const place: Fact = {
    label: "Registry",
    pieces: registry === "" ? ["the daemon's own"] : [{ code: registry }],
  };
  const notes = doubts(knowledge, index, asOfUs);
  switch (lookup.kind) {
    case "malformed":
      return { title: [lookup.failure.message], facts: [], notes: [lookup.failure.mend] };
    case "ambiguous": {
      const hashes = lookup.hashes.map((hash): Piece[] => [{ code: hash.slice(0, 16) }]);
      return {
        title: [{ code: text }, " is the beginning of several hashes."],
        facts: [{ label: "Models", pieces: joined(hashes, ", ") }, place],
        notes: ["Give more digits.", ...notes],
      };
    }
    case "missing":
      return {
        title: missing(text, lookup.ref),
        facts: [...alike(index, lookup.ref), place],
        notes,
      };
    case "unknown":
      return {
        title: [{ code: text }, " is not known yet: the registry has not answered."],
        facts: [place],
        notes,
      };
    case "model": {
      const now = knowledge.context.now();
      const facts = modelFacts(lookup, index, run, now);
      const isNamed = lookup.ref.kind !== "hash" && lookup.ref.kind !== "prefix";
      const title: Piece[] = isNamed ? [{ code: text }, " is "] : ["Model "];
      return {
        title: [...title, { code: named(lookup.hash, lookup.model) }],
        facts: [...facts, place],
        notes,
      };
    }
  }
}

function missing(text: string, ref: Ref): Piece[] {
  if (ref.kind === "hash") return ["No model has the hash ", { code: text }, "."];
  if (ref.kind === "prefix") return ["No model's hash begins with ", { code: text }, "."];
  if (ref.kind === "tag") return ["No tag has the name ", { code: text }, "."];
  return [{ code: text }, " leads nowhere."];
}

function alike(index: ModelIndex, ref: Ref): Fact[] {
  if (!("name" in ref)) return [];
  const near = nearTags(index, ref.name).map((name): Piece[] => [{ code: name }]);
  return near.length === 0 ? [] : [{ label: "Much the same name", pieces: joined(near, ", ") }];
}

function doubts(knowledge: Knowledge, index: ModelIndex, asOfUs: number | undefined): string[] {
  if (asOfUs === undefined) return [];
  const since = index.filled ? `As of ${clock(asOfUs)}: ` : "";
  if (!knowledge.isAway) return since === "" ? [] : [`${since}the registry has not answered at once.`];
  const { message, mend } = knowledge.context.view.link.status;
  return [`${since}${message === "" ? "the daemon is away." : message}`, mend].filter((note) => note !== "");
}

function modelFacts(
  { hash, model, move }: Lookup & { kind: "model" },
  index: ModelIndex,
  run: RunBrief | undefined,
  now: number,
): Fact[] {
  const facts: Fact[] = [{ label: "Hash", pieces: [{ code: hash }] }];
  if (model !== undefined) facts.push(...ownFacts(model, run, now));
  const tags = index.tags().filter((tag) => tag.hash === hash && tag.name !== move?.name);
  if (tags.length > 0) {
    const shown = tags
      .slice(0, MOST_TAGS)
      .map((tag): Piece[] => [{ code: `${tag.name}@${tag.seq}` }, ...byWhom(tag, now)]);
    const more = tags.length > MOST_TAGS ? [` and ${tags.length - MOST_TAGS} more`] : [];
    facts.push({
      label: move === undefined ? "Tags" : "Other tags",
      pieces: [...joined(shown, ", "), ...more],
    });
  }
  if (move !== undefined) facts.push(...moveFacts(move, index, now));
  return facts;
}

function ownFacts(model: ModelBrief, run: RunBrief | undefined, now: number): Fact[] {
  const { weightsFormat, weightsSize, hasWeights, createdAtUs, runId } = model;
  const weights = hasWeights
    ? [bytes(weightsSize), ...(weightsFormat === "" ? [] : [weightsFormat])].join(", ")
    : "none";
  const facts: Fact[] = [
    { label: "Weights", pieces: [weights] },
    { label: "Stored", pieces: [`${moment(createdAtUs)} (${ago(createdAtUs, now)})`] },
  ];
  if (runId !== "") facts.push({ label: "Made by run", pieces: runPieces(runId, run) });
  return facts;
}

function runPieces(runId: string, run: RunBrief | undefined): Piece[] {
  if (run === undefined) return [{ code: runId }];
  const { name, state, headline } = run;
  const metric: Piece[] =
    headline === undefined ? [] : [`, ${headline.key} ${value(headline.value)} at step ${headline.step}`];
  return [
    { code: name === "" ? runId : name },
    `, ${state}`,
    ...metric,
    ...(name === "" ? [] : [" (", { code: runId }, ")"]),
  ];
}

function moveFacts(move: TagMoveDocument, index: ModelIndex, now: number): Fact[] {
  const { name, seq, actor, principal = "", atUs, reason, previousHash } = move;
  // On the host the actor says as much.
  const proven = principal === "" || principal.startsWith("socket:") ? "" : ` (${principal})`;
  const who = actor === "" ? `by nobody named${proven}` : `by ${actor}${proven}`;
  const facts: Fact[] = [
    {
      label: "Promoted",
      pieces: [`${who} at ${moment(atUs)} (${ago(atUs, now)}), move `, { code: `${name}@${seq}` }],
    },
  ];
  if (reason !== "") facts.push({ label: "Why", pieces: [reason] });
  if (previousHash !== "") {
    facts.push({ label: "Before", pieces: [{ code: named(previousHash, index.model(previousHash)) }] });
  }
  return facts;
}

function byWhom({ actor, atUs }: TagMoveDocument, now: number): Piece[] {
  return [` (${actor === "" ? "" : `${actor}, `}${ago(atUs, now)})`];
}
