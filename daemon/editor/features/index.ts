/** The features of the language server: what is known of models and runs, beside the text that names them. */
import { actions } from "./actions.ts";
import { COMMANDS } from "./command-names.ts";
import { execute } from "./commands.ts";
import { complete } from "./completion.ts";
import { diagnostics } from "./diagnostics.ts";
import type { ConfigChecks, FeatureContext, Features } from "./feature.ts";
import { inlayHints } from "./hints.ts";
import { hover } from "./hover.ts";
import { Knowledge } from "./knowledge.ts";
import { lenses } from "./lenses.ts";
import { links } from "./links.ts";
import { symbols } from "./symbols.ts";

export * from "./feature.ts";

export function createFeatures(context: FeatureContext, checks: ConfigChecks): Features {
  const knowledge = new Knowledge(context);
  return {
    hover: (file, at, signal) => hover(knowledge, file, at, signal),
    complete: (file, at, signal) => complete(knowledge, file, at, signal),
    async diagnostics(file, signal) {
      if (!context.settings.diagnostics) return [];
      const [ofRefs, ofConfig] = await Promise.all([
        diagnostics(knowledge, file, signal),
        checks.check(file, signal),
      ]);
      return [...ofRefs, ...ofConfig];
    },
    inlayHints: (file, range, signal) => inlayHints(knowledge, file, range, signal),
    links: (file, signal) => links(knowledge, file, signal),
    lenses: (file, signal) => lenses(knowledge, file, signal),
    actions: (file, range, found, signal) => actions(knowledge, file, range, found, signal),
    symbols: (query, signal) => symbols(knowledge, query, signal),
    commands: [COMMANDS.promote, COMMANDS.rollback],
    execute: (command, args, signal) => execute(knowledge, command, args, signal),
    close: () => knowledge.close(),
  };
}
