/** Commands: parsed, since they come from outside, and carried out. */
import { PipekitError } from "@pipekit/proto";
import { z } from "zod";
import { COMMANDS } from "./command-names.ts";
import type { Knowledge } from "./knowledge.ts";
import { promote } from "./promote.ts";
import { rollBack } from "./roll-back.ts";
import { tellModel, tellRun } from "./tell.ts";

const text = z.string().min(1).max(4096);
const registry = z.string().max(4096).default("");
const reason = z.string().max(4096).default("");

const PROMOTION = z.strictObject({ registry, ref: text, tag: text.optional(), reason });
const ROLLBACK = z.strictObject({ registry, tag: text, reason });
const RUN = z.strictObject({ runId: text });
const MODEL = z.strictObject({ registry, ref: text });

export type Promotion = z.output<typeof PROMOTION>;
export type Rollback = z.output<typeof ROLLBACK>;

/** Throws PipekitError INVALID_ARGUMENT, or the signal's reason. */
export async function execute(
  knowledge: Knowledge,
  command: string,
  args: readonly unknown[],
  signal: AbortSignal,
): Promise<unknown> {
  switch (command) {
    case COMMANDS.promote:
      return (await promote(knowledge, parsed(PROMOTION, args), signal)) ?? null;
    case COMMANDS.rollback:
      return (await rollBack(knowledge, parsed(ROLLBACK, args), signal)) ?? null;
    case COMMANDS.showRun:
      await tellRun(knowledge, parsed(RUN, args).runId, signal);
      return null;
    case COMMANDS.showModel: {
      const model = parsed(MODEL, args);
      await tellModel(knowledge, model.registry, model.ref, signal);
      return null;
    }
    default:
      throw new PipekitError(
        "INVALID_ARGUMENT",
        `There is no command ${JSON.stringify(command.slice(0, 80))}.`,
        {
          field: "command",
          mend: `Use one of ${Object.values(COMMANDS).join(", ")}.`,
        },
      );
  }
}

/** The one argument, an object. */
function parsed<T>(schema: z.ZodType<T>, args: readonly unknown[]): T {
  const result = schema.safeParse(args[0]);
  if (result.success && args.length === 1) return result.data;
  const issue = result.error?.issues[0];
  const what =
    issue === undefined ? "There is more than one argument." : `The argument is not right: ${issue.message}.`;
  throw new PipekitError("INVALID_ARGUMENT", what, {
    field: ["arguments", ...(issue?.path ?? [])].join("."),
    mend: "docs/editor-protocol.md tells the arguments of each command.",
  });
}
