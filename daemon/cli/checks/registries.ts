/** Whether registries of models can be read, and what became of the last changes to each. */
import type { AuditEntry, Client } from "@pipekit/experiment";
import { moment } from "../../format.ts";
import { parsedText } from "../../view/documents/texts.ts";
import { type Finding, failed, note, ok, problem } from "./finding.ts";

/** Newest entries of the audit log that are looked at. */
const ENTRIES = 500;
/** A failure is told this long, unless a change in that registry succeeds, milliseconds. */
const TOLD_MS = 86_400_000;
/** What a server that cannot be used answers, or one that does not keep what a registry relies on. */
const FAULTS = /^(REGISTRY_REFUSED|REGISTRY_UNAVAILABLE|STORAGE_FULL|UNSAFE_FOLDER|CORRUPT_)/;
const MENDS: { readonly [outcome: string]: string } = {
  REGISTRY_REFUSED:
    "It has no atomic conditional writes: use another server (docs/registry-policies.md), and store once more.",
  REGISTRY_UNAVAILABLE: "Look at the server, its address and the credentials, and repeat what failed.",
};

export async function checkRegistries(client: Client, signal: AbortSignal): Promise<Finding[]> {
  const found = [await checkDefault(client, signal)];
  try {
    found.push(...(await checkChanges(client, signal)));
  } catch (error) {
    signal.throwIfAborted();
    // Over TCP the log is for admins, and an older daemon has none.
    const why = error instanceof Error ? error.message : String(error);
    found.push(note("registries", `What was changed is not looked at: ${why}`));
  }
  return found;
}

async function checkDefault(client: Client, signal: AbortSignal): Promise<Finding> {
  try {
    for await (const _model of client.registry().list({ signal })) break;
    return ok("registry", "The state folder's can be read.");
  } catch (error) {
    signal.throwIfAborted();
    return failed("registry", error);
  }
}

/** One finding for each registry whose last change failed by its fault. */
async function checkChanges(client: Client, signal: AbortSignal): Promise<Finding[]> {
  const sinceUs = (Date.now() - TOLD_MS) * 1000;
  const intents = new Map<number, AuditEntry>();
  const last = new Map<string, { readonly intent: AuditEntry; readonly outcome: AuditEntry }>();
  for await (const entry of client.audit.read({ last: ENTRIES, sinceUs, signal })) {
    if (entry.kind === "intent" && entry.method.startsWith("RegistryService/")) intents.set(entry.seq, entry);
    const intent = entry.kind === "outcome" ? intents.get(entry.intentSeq) : undefined;
    if (intent !== undefined) last.set(registryOf(intent), { intent, outcome: entry });
  }
  return [...last].flatMap(([registry, { intent, outcome }]) => {
    if (!FAULTS.test(outcome.outcome)) return [];
    const deed = intent.method.slice("RegistryService/".length);
    const message = `The last ${deed} in ${registry || "the state folder's registry"}, at ${moment(outcome.timeUs)}, failed: ${outcome.outcome}.`;
    return [problem("registries", message, MENDS[outcome.outcome] ?? "`pkx models verify` looks at it.")];
  });
}

function registryOf({ subjectJson }: AuditEntry): string {
  const { registry, target } = Object(parsedText(subjectJson));
  return String(registry ?? target ?? "");
}
