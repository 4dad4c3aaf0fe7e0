/** `pkx audit`. */
import type { AuditEntry, AuditHead } from "@pipekit/experiment";
import { type Command, InvalidArgumentError } from "commander";
import { count, moment } from "../format.ts";
import { parsedText } from "../view/documents/texts.ts";
import { type Commands, type Context, whole } from "./context.ts";
import { span } from "./prune.ts";
import { plain } from "./terminal.ts";

interface ListSettings {
  readonly principal?: string;
  readonly method?: string;
  readonly within?: number;
  readonly after?: number;
  readonly lines: number;
  readonly follow?: boolean;
}

interface VerifySettings {
  readonly since?: AuditHead;
}

export function addAuditCommands(program: Command, commands: Commands): void {
  const audit = program
    .command("audit")
    .description("who asked the daemon for what: read and check its audit log")
    .addHelpText("after", "\nExamples:\n  pkx audit list --method Tag\n  pkx audit verify");
  const list = audit
    .command("list")
    .description("list entries, oldest first")
    .option("--principal <name>", "only those of this principal, such as socket:ej")
    .option("--method <name>", "only those of this method, such as Tag or DaemonService/Shutdown")
    .option("--within <time>", "only those of the last time, such as 12h or 30d", span)
    .option("--after <seq>", "only those behind this entry", whole(0))
    .option("-n, --lines <n>", "the last so many; 0 for all", whole(0), 100)
    .option("-f, --follow", "go on with what is written, until Ctrl-C");
  commands.define<ListSettings>(list, {
    examples:
      "pkx audit list --method Tag --within 7d\npkx audit list -n 0 --json | jq -r .principal | sort | uniq -c",
    run: listEntries,
  });
  const verify = audit
    .command("verify")
    .description("check that the log is as it was written")
    .option("--since <seq:digest>", "an entry that must be there, as `pkx audit head` printed it", kept);
  commands.define<VerifySettings>(verify, {
    examples: 'pkx audit verify\npkx audit verify --since "$(cat /safe/place/audit-head)"',
    run: verifyLog,
  });
  commands.define(
    audit
      .command("head")
      .description("print the last entry as SEQ:DIGEST; keep it elsewhere, and verify with it"),
    { examples: "pkx audit head > /safe/place/audit-head", run: showHead },
  );
}

function kept(text: string): AuditHead {
  const [, seq, digest] = /^(\d{1,15}):([\da-f]{64})$/.exec(text.trim()) ?? [];
  if (seq !== undefined && digest !== undefined && Number(seq) > 0) return { seq: Number(seq), digest };
  throw new InvalidArgumentError("It must be SEQ:DIGEST, as `pkx audit head` printed it.");
}

async function listEntries(
  context: Context,
  _args: readonly string[],
  { principal, method, within, after, lines, follow }: ListSettings,
): Promise<undefined> {
  const sinceUs = within === undefined ? undefined : (Date.now() - within * 1000) * 1000;
  const query = { principal, method, sinceUs, afterSeq: after, last: lines, follow, signal: context.signal };
  await context.withClient(async (client) => {
    for await (const entry of client.audit.read(query)) {
      const { subjectJson, ...rest } = entry;
      context.printItem({ ...rest, subject: parsedText(subjectJson) }, () => [lineOf(entry)]);
    }
  });
}

/** `12  2026-11-27 04:31:27  intent  ann@10.0.0.7:4711  RegistryService/Tag  name=production ...`. */
function lineOf(entry: AuditEntry): string {
  const { seq, timeUs, kind, principal, peer, method, outcome, intentSeq, count: calls } = entry;
  const who = [principal, peer].filter((part) => part !== "").join("@");
  const what = [
    ...(outcome === "" ? [] : [outcome]),
    ...(intentSeq === 0 ? [] : [`of ${intentSeq}`]),
    ...(calls > 1 ? [`${count(calls)} times`] : []),
    ...Object.entries(Object(parsedText(entry.subjectJson))).map(
      ([name, value]) => `${name}=${String(value)}`,
    ),
  ];
  return [String(seq), timeUs === 0 ? "-" : moment(timeUs), kind, who || "-", method || "-", ...what]
    .map(plain)
    .join("  ");
}

async function verifyLog(
  context: Context,
  _args: readonly string[],
  { since }: VerifySettings,
): Promise<undefined> {
  const found = await context.withClient((client) => client.audit.verify(since, { signal: context.signal }));
  context.print(found, () => [
    `All is as it was written: ${count(found.entries)} entries.`,
    `The last: ${found.headSeq}:${found.headDigest}`,
  ]);
}

async function showHead(context: Context): Promise<undefined> {
  const head = await context.withClient((client) => client.audit.head({ signal: context.signal }));
  context.print(head, () => [`${head.seq}:${head.digest}`]);
}
