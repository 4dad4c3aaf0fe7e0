import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PipekitError } from "@pipekit/proto";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { alternativeNames } from "../../daemon/access/certificates.ts";
import { readPrincipals } from "../../daemon/access/principals-file.ts";
import { Tokens } from "../../daemon/access/tokens.ts";

let folder: string;
const seen: string[] = [];
const env = { PKX_A: "token-of-a-in-the-environment" };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "pkx-"));
  for (const name of ["one", "two"]) file(name, `token-${name}-0123456789abcdef\n`);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

function read(text: string, mode?: number) {
  seen.length = 0;
  rmSync(join(folder, "principals.yaml"), { force: true });
  return readPrincipals(file("principals.yaml", text, mode), { env, seen: (path) => seen.push(path) });
}

const WHOLE = () => `
principals:
  - name: trainers
    token: [file:${folder}/one, "file:${folder}/two"]
    certificate: uri:spiffe://lab/trainer
    roles:
      - {role: writer, runs: ["lab-*"], tags: ["lab-*"], registries: [default]}
    quota: {runs_per_minute: 5}
  - name: ej
    token: env:PKX_A
    certificate: [cn:Ej, dns:Laptop.Lab]
    roles: [{role: admin}]
`;

test("a principals file is read, with the tokens that it names", async () => {
  const principals = await read(WHOLE());
  expect(principals.names).toEqual(["trainers", "ej"]);
  const find = (token?: string, ...identities: string[]) => principals.find({ token, identities });
  for (const token of ["token-one-0123456789abcdef", "token-two-0123456789abcdef"]) {
    expect(find(token)).toMatchObject({ name: "trainers", quota: { runs_per_minute: 5 } });
  }
  expect(find(env.PKX_A)).toMatchObject({ name: "ej" });
  expect(find(undefined, "cn:somebody", "uri:spiffe://lab/trainer")).toMatchObject({ name: "trainers" });
  expect(find(undefined, "dns:laptop.lab")).toMatchObject({ name: "ej" });
  expect(seen).toEqual([join(folder, "principals.yaml"), join(folder, "one"), join(folder, "two")]);
});

test("a proof of nobody, or of two, is none", async () => {
  const principals = await read(WHOLE());
  const find = (token?: string, ...identities: string[]) => principals.find({ token, identities });
  expect(find()).toBe("nothing");
  expect(find("")).toBe("unknown token");
  expect(find("token-one-0123456789abcde")).toBe("unknown token");
  expect(find(undefined, "uri:Ej", "dns:spiffe://lab/trainer")).toBe("unknown certificate");
  expect(find(env.PKX_A, "uri:spiffe://lab/trainer")).toBe("two principals");
  expect(find(undefined, "cn:Ej", "uri:spiffe://lab/trainer")).toBe("two principals");
  // A wrong token is not made good by a certificate.
  expect(find("x", "cn:Ej")).toBe("unknown token");
  expect(find(env.PKX_A, "cn:nobody")).toMatchObject({ name: "ej" });
});

test("what is not right is told with key, line and mend, and no token is shown", async () => {
  const one = "token-one-0123456789abcdef";
  const good = WHOLE();
  const cases: [text: string, place: RegExp][] = [
    [
      good.replace("role: writer", "role: boss"),
      /principals\.0\.roles\.0\.role in .*principals\.yaml, line 7$/,
    ],
    [good.replace("runs:", "rums:"), /principals\.0\.roles\.0 in .*, line 7$/],
    [good.replace("name: ej", "name: socket:ej"), /principals\.1\.name in .*, line 9$/],
    [good.replace("name: ej", "name: trainers"), /principals\.1\.name in .*, line 9$/],
    [good.replace("env:PKX_A", one), /principals\.1\.token in .*, line 10$/],
    [good.replace("env:PKX_A", `file:${folder}/one`), /principals\.1\.token in .*, line 10$/],
    [good.replace("env:PKX_A", "env:PKX_NONE"), /principals\.1\.token in .*, line 10$/],
    [good.replace("env:PKX_A", "file:/no/such"), /principals\.1\.token in .*, line 10$/],
    [good.replace("cn:Ej", "uri:spiffe://lab/trainer"), /principals\.1\.certificate in .*, line 11$/],
    [good.replace("cn:Ej", "Ej"), /principals\.1\.certificate/],
    [good.replace("{role: admin}", "{role: admin, runs: [x]}"), /principals\.1\.roles\.0 in .*, line 12$/],
    [good.replace("{role: admin}", "{role: reader}"), /principals\.1\.roles\.0 in .*, line 12$/],
    [good.replace("runs_per_minute", "runs_per_hour"), /principals\.0\.quota in .*, line 8$/],
    ["principals: []", /^principals in .*, line 1$/],
    ["principals: [", /principals\.yaml, line 1$/],
    ["", /principals/],
  ];
  for (const [text, place] of cases) {
    const error = await read(text).catch((e: unknown) => e);
    if (!(error instanceof PipekitError)) throw new Error(`no failure for ${text}`);
    expect(error).toMatchObject({ code: "INVALID_DAEMON_CONFIG", field: expect.stringMatching(place) });
    expect(error.mend).not.toBe("");
    expect(`${error.message} ${error.mend} ${error.field}`).not.toContain(one);
  }
  await expect(read(good, 0o644)).rejects.toMatchObject({ field: "principals_file" });
});

test("of many tokens each is its principal's, and nothing else is anybody's", () => {
  const word = fc.stringMatching(/^[\x21-\x7e]{16,40}$/);
  fc.assert(
    fc.property(fc.uniqueArray(word, { minLength: 1, maxLength: 50 }), word, (words, other) => {
      const tokens = new Tokens();
      for (const [i, token] of words.entries()) expect(tokens.add(token, `p${i}`)).toBeUndefined();
      for (const [i, token] of words.entries()) expect(tokens.principalOf(token)).toBe(`p${i}`);
      if (!words.includes(other)) expect(tokens.principalOf(other)).toBeUndefined();
    }),
    { numRuns: 50 },
  );
});

test("names in a certificate cannot be made up out of one another", () => {
  expect(alternativeNames("URI:spiffe://lab/a, DNS:Host.Lab, IP Address:127.0.0.1")).toEqual([
    "uri:spiffe://lab/a",
    "dns:host.lab",
  ]);
  // Node writes a name with a comma as a JSON string.
  expect(alternativeNames('DNS:"evil, URI:spiffe://lab/admin"')).toEqual([
    "dns:evil, uri:spiffe://lab/admin",
  ]);
  expect(alternativeNames('email:"a, DNS:b", URI:x')).toEqual(["uri:x"]);
  expect(alternativeNames("")).toEqual([]);
});
