/** Requests about models and tags. */
import { PipekitError } from "@pipekit/proto";
import type { ModelBrief, TagMoveDocument } from "@pipekit/proto/editor";
import { call } from "../calling.ts";
import { modelDocument, tagMoveDocument } from "../documents/models.ts";
import type { Place } from "../model-table.ts";
import type { Answer } from "./desk.ts";

/** From the index. The token tells where the last model of the page before stands. */
export const models: Answer<"pipekit/models"> = async (desk, params, signal) => {
  const index = desk.models(params.registry);
  await index.fresh(signal);
  const after = placeOf(params.pageToken);
  const { models, total } = index.select(params.contains, params.limit + 1, after);
  const page = models.slice(0, params.limit);
  return { models: page, total, nextPageToken: models.length > params.limit ? tokenOf(page.at(-1)) : "" };
};

export const model: Answer<"pipekit/model"> = ({ link }, { registry, ref }, signal) =>
  call(link, async (client) => modelDocument(await client.registry(registry).stat(ref, { signal })), signal);

/** From the index. */
export const tags: Answer<"pipekit/tags"> = async (desk, { registry }, signal) => {
  const index = desk.models(registry);
  await index.fresh(signal);
  return { tags: index.tags() };
};

/** The token is the number of the last move of the page before: moves are numbered without a gap. */
export const tagHistory: Answer<"pipekit/tagHistory"> = ({ link }, params, signal) => {
  const before = params.pageToken === "" ? Number.POSITIVE_INFINITY : wholeToken(params.pageToken);
  return call(
    link,
    async (client) => {
      const moves: TagMoveDocument[] = [];
      for await (const move of client.registry(params.registry).history(params.name, { signal })) {
        if (move.seq < before) moves.push(tagMoveDocument(move));
        if (moves.length === params.limit) break;
      }
      const last = moves.at(-1);
      const more = moves.length === params.limit && last !== undefined && last.seq > 1;
      return { moves, nextPageToken: more ? String(last.seq) : "" };
    },
    signal,
  );
};

export const resolve: Answer<"pipekit/resolve"> = ({ link }, { registry, ref }, signal) =>
  call(
    link,
    async (client) => {
      const { hash, move } = await client.registry(registry).lookUp(ref, { signal });
      return { hash, ...(move !== undefined && { move: tagMoveDocument(move) }) };
    },
    signal,
  );

function tokenOf(model: ModelBrief | undefined): string {
  return model === undefined ? "" : `${model.createdAtUs}.${model.hash}`;
}

function placeOf(token: string): Place | undefined {
  if (token === "") return undefined;
  const [createdAtUs = "", hash = ""] = token.split(".");
  return { createdAtUs: wholeToken(createdAtUs), hash };
}

function wholeToken(token: string): number {
  if (/^\d{1,16}$/.test(token)) return Number(token);
  throw new PipekitError("INVALID_ARGUMENT", "The page token is none of ours.", {
    field: "pageToken",
    mend: "Use the token of the answer before, or none.",
  });
}
