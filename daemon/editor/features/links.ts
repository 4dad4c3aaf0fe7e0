/**
 * Links from a run id, or a ref, to the page of the run in its tracker.
 *
 * A link of the protocol is a URI that the editor opens by itself; only http(s) addresses are opened by all of them. What
 * has none has no link: hover, lenses and the pages of the editor's extension show it.
 */
import type { RunBrief } from "@pipekit/proto/editor";
import type { DocumentLink } from "vscode-languageserver/node";
import { webAddress } from "../../view/documents/texts.ts";
import type { Reference } from "../references/reference.ts";
import type { OpenFile } from "./feature.ts";
import type { Knowledge } from "./knowledge.ts";
import { lookUp } from "./lookup.ts";
import { rangeOf, referencesOf } from "./place.ts";

export async function links(
  knowledge: Knowledge,
  file: OpenFile,
  signal: AbortSignal,
): Promise<DocumentLink[]> {
  const references = await referencesOf(file, signal);
  return references.flatMap((reference) => {
    const runId = runOf(knowledge, reference);
    const run = runId === undefined ? undefined : knowledge.runs().get(runId);
    const target = run && remoteAddress(run);
    if (run === undefined || target === undefined) return [];
    const what = reference.kind === "run" ? "the run" : "the run that made the model";
    return [
      {
        range: rangeOf(file, reference.span),
        target: target.address,
        tooltip: `Show ${what} in ${target.spec}`,
      },
    ];
  });
}

/** Where a person sees the run in a tool; undefined where no sink has a page. */
export function remoteAddress(
  run: RunBrief,
): { readonly spec: string; readonly address: string } | undefined {
  for (const { spec, remoteUrl } of run.sinks) {
    const address = webAddress(remoteUrl);
    if (address !== "") return { spec, address };
  }
  return undefined;
}

function runOf(knowledge: Knowledge, { kind, text, registry, certain }: Reference): string | undefined {
  if (kind === "run") return text;
  const index = certain ? knowledge.settled(knowledge.registryOf(registry)) : undefined;
  const found = index && lookUp(index, text);
  return found?.kind === "model" ? found.model?.runId : undefined;
}
