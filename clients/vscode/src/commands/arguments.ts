/** What commands are called with: rows of the trees, ids from the language server, or nothing from the palette. */
import { z } from "zod";

const RUN = z.union([
  z.string().min(1),
  z
    .object({ kind: z.literal("run"), run: z.object({ runId: z.string() }) })
    .transform(({ run }) => run.runId),
  z.object({ runId: z.string().min(1) }).transform(({ runId }) => runId),
]);
const MOVE = z.object({
  kind: z.enum(["tag", "move"]),
  move: z.object({ name: z.string(), hash: z.string() }),
});
const HASH = z.union([
  z.string().min(1),
  z
    .object({ kind: z.literal("model"), model: z.object({ hash: z.string() }) })
    .transform(({ model }) => model.hash),
  MOVE.transform(({ move }) => move.hash),
]);
const TAG = z.union([z.string().min(1), MOVE.transform(({ move }) => move.name)]);
const URL_ROW = z.object({
  kind: z.literal("sink"),
  sink: z.object({ remoteUrl: z.url({ protocol: /^https?$/ }) }),
});

/** Each gives undefined for what is none. */
export const runIdIn = (value: unknown): string | undefined => RUN.safeParse(value).data;
export const hashIn = (value: unknown): string | undefined => HASH.safeParse(value).data;
export const tagIn = (value: unknown): string | undefined => TAG.safeParse(value).data;
export const urlIn = (value: unknown): string | undefined => URL_ROW.safeParse(value).data?.sink.remoteUrl;

/** Several runs: the rows that are selected, which VS Code gives after the one that was clicked. */
export function runIdsIn(clicked: unknown, selected: unknown): readonly string[] {
  const rows = Array.isArray(selected) ? selected : [clicked];
  return [...new Set(rows.map(runIdIn).filter((id) => id !== undefined))];
}

/** A model as the language server's `pipekit.showModel` names it. */
export const SHOWN_MODEL = z.object({ registry: z.string().default(""), ref: z.string().min(1) });
