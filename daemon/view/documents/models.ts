/** Models and moves of tags as people see them. */
import type { Model, TagMove } from "@pipekit/experiment";
import type { ModelBrief, ModelDocument, TagMoveDocument } from "@pipekit/proto/editor";
import { parsedText } from "./texts.ts";

/** A model as lists show it, with the names that lead to it. */
export function modelBrief(model: Model, tags: readonly string[] = model.tags): ModelBrief {
  return {
    hash: model.hash,
    operator: operatorName(model.operatorJson),
    tags: [...tags],
    weightsSize: model.weightsSize,
    hasWeights: model.hasWeights,
    weightsFormat: model.weightsFormat,
    createdAtUs: model.createdAtUs,
    runId: model.runId,
  };
}

/** A model, whole. */
export function modelDocument(model: Model): ModelDocument {
  return {
    ...modelBrief(model),
    metadata: parsedText(model.metadataJson),
    operatorState: parsedText(model.operatorJson),
    trainingConfig: parsedText(model.trainingConfigJson, null),
    datasetHash: model.datasetHash,
    weightsSha256: model.weightsSha256,
  };
}

/** A move of a tag. */
export function tagMoveDocument(move: TagMove): TagMoveDocument {
  const { name, seq, hash, previousHash, actor, atUs, reason } = move;
  return { name, seq, hash, previousHash, actor, atUs, reason };
}

/** `module.Class` of an operator, as far as its JSON tells. */
export function operatorName(operatorJson: string): string {
  const operator = parsedText(operatorJson);
  if (typeof operator !== "object" || operator === null) return "";
  const named: { module?: unknown; class?: unknown } = operator;
  return [named.module, named.class].filter((part) => typeof part === "string").join(".");
}
