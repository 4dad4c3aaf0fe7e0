/**
 * The principals file: YAML of mode 0600 (docs/remote.md).
 *
 *     principals:
 *       - name: trainers
 *         token: [file:/etc/pkx/trainers, file:/etc/pkx/trainers.new]
 *         certificate: uri:spiffe://lab/trainer
 *         roles: [{role: writer, runs: ["lab-*"], registries: [default], tags: ["lab-*"]}]
 */
import { parseReference, type Reference } from "@pipekit/adapters/secret";
import { z } from "zod";
import { QuotaSchema } from "../limits/index.ts";
import { IDENTITY } from "./certificates.ts";
import { readYaml } from "./placed-yaml.ts";
import { Principals } from "./principals.ts";
import { grantOf, ROLES } from "./roles.ts";
import { checkToken, invalid, readSecretFile, readTokenFile } from "./secret-file.ts";

/** Where values come from, and who is told of the files that were read. */
export interface Sources {
  readonly env: Readonly<{ [name: string]: string | undefined }>;
  readonly seen: (file: string) => void;
}

const patterns = z.array(z.string().min(1).max(512)).min(1);
const limitedRole = z.strictObject({
  role: z.enum(ROLES),
  runs: patterns.optional(),
  tags: patterns.optional(),
  registries: patterns.optional(),
  runs_of_others: z.boolean().optional(),
});
const roleText = limitedRole.refine(
  ({ role, ...names }) => (role === "admin") === (Object.keys(names).length === 0),
  "an admin has no patterns, every other role at least one of `runs`, `tags` and `registries`",
);
const reference = z.string().transform((text, { addIssue }) => {
  const found = parseReference(text);
  // The text is not repeated: it may be the token itself.
  if (found === undefined) addIssue("write env:NAME or file:/absolute/path");
  return found ?? z.NEVER;
});
const identity = z.string().regex(IDENTITY, "write uri:..., dns:... or cn:...");

function oneOrMore<T>(item: z.ZodType<T, string>) {
  return z.union([item.transform((one) => [one]), z.array(item).min(1)]);
}

const principal = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.@-]{0,63}$/, "use letters, digits, `.`, `_`, `@` and `-`, 64 at most"),
    token: oneOrMore(reference).optional(),
    certificate: oneOrMore(identity).optional(),
    roles: z.array(roleText).min(1),
    quota: QuotaSchema.optional(),
  })
  .refine(
    ({ token, certificate }) => (token ?? certificate) !== undefined,
    "give a `token` or a `certificate`",
  );
const principalsFile = z.strictObject({ principals: z.array(principal).min(1) });

type Entry = z.infer<typeof principal>;

/** Reads the file and the tokens that it names. Throws INVALID_DAEMON_CONFIG with field, file and line. */
export async function readPrincipals(file: string, sources: Sources): Promise<Principals> {
  sources.seen(file);
  const text = readSecretFile("principals_file", file, 0o077).toString();
  const { values, placeOf } = await parseYaml(file, text);
  const parsed = principalsFile.safeParse(values);
  const issue = parsed.error?.issues[0];
  if (issue !== undefined) throw fault(placeOf(issue.path), issue.message);
  const principals = new Principals();
  for (const [i, entry] of (parsed.data?.principals ?? []).entries()) {
    const at = (field: string) => placeOf(["principals", i, field]);
    const tokens = (entry.token ?? []).map((found) => tokenOf(found, at("token"), sources));
    const clash = principals.add(known(entry), tokens, (entry.certificate ?? []).map(asKept));
    if (clash !== undefined) throw fault(at(clash.field), `it is that of \`${clash.of}\`, too`);
  }
  return principals;
}

function known({ name, roles, quota }: Entry) {
  return {
    name,
    quota,
    roles,
    grants: roles.map(grantOf),
  };
}

/** Names of hosts are the same in capitals. */
function asKept(text: string): string {
  return text.startsWith("dns:") ? text.toLowerCase() : text;
}

function tokenOf(reference: Reference, place: string, { env, seen }: Sources): string {
  if (reference.from === "env") {
    return checkToken(place, `in env:${reference.name}`, env[reference.name] ?? "");
  }
  seen(reference.path);
  return readTokenFile(place, reference.path);
}

/** Says for a person where a key stands, such as `principals.0.name in /etc/pkx/principals.yaml, line 2`. */
type Place = (path: readonly PropertyKey[]) => string;

async function parseYaml(file: string, text: string): Promise<{ values: unknown; placeOf: Place }> {
  const read = await readYaml(text);
  if ("fault" in read) {
    throw fault(`${file}, line ${read.fault.line}`, `it is not YAML (${read.fault.code})`);
  }
  const { values, lineOf } = read;
  const placeOf: Place = (path) => {
    // What is missing has no place; what it is missing from has.
    const line = lineOf(path) ?? lineOf(path.slice(0, -1));
    const at = line === undefined ? "" : `, line ${line}`;
    return `${path.map(String).join(".") || "principals"} in ${file}${at}`;
  };
  return { values, placeOf };
}

function fault(place: string, why: string) {
  return invalid(
    place,
    `The principals file is not right at ${place}: ${why}.`,
    "See docs/remote.md for its form.",
  );
}
