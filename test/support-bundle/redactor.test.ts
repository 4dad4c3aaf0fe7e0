/** What the redactor takes out, and what it leaves. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { HIDDEN, Redactor } from "../../daemon/support/redactor.ts";
import { knownSecrets } from "../../daemon/support/secrets.ts";

const WORD = fc.constantFrom(..."abcdefghijkXYZ0123456789+/=_.:!$%&*-~ ÄØ😀");
/** A secret that is no part of what takes its place. */
const secret = fc
  .string({ unit: WORD, minLength: 4, maxLength: 40 })
  .filter((text) => text.trim() === text && !HIDDEN.includes(text) && !/^\.+$/.test(text));
const plain = fc.string({ unit: fc.constantFrom(..."abc XYZ 019 .,:;=?&/\"'`{}()\n"), maxLength: 30 });
/** One that nobody knows, and that is in no other part of the text. */
const unknown = fc.string({ unit: fc.constantFrom(..."qrstuvwQRSTUVW2345678"), minLength: 6, maxLength: 30 });
const none = new Redactor([]);

test("a secret that is known survives nowhere", () => {
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 4 }),
      fc.array(plain, { minLength: 5, maxLength: 5 }),
      (secrets, texts) => {
        const redactor = new Redactor(secrets);
        const text = texts.map((each, i) => each + (secrets[i % secrets.length] ?? "")).join("|");
        const shown = [
          redactor.text(text),
          redactor.foreign(text),
          redactor.spec(`mlflow://h/${text}`),
          JSON.stringify(redactor.value({ a: [{ b: text }], [text]: text })),
        ];
        for (const each of secrets) for (const one of shown) expect(one).not.toContain(each);
      },
    ),
    { numRuns: 300 },
  );
});

test("a secret that nobody knows is found by what stands around it", () => {
  const around: readonly ((secret: string) => string)[] = [
    (s) => `cannot reach https://ej:${s}@host:5000/x`,
    (s) => `s3://bucket/p?region=eu&key=${s}&x=1`,
    (s) => `GET /api?q=1&sig=${s} failed`,
    (s) => `Authorization: Bearer ${s}`,
    (s) => `authorization=Basic ${s}`,
    (s) => `{"password": "${s} and more", "user": "ej"}`,
    (s) => `WANDB_API_KEY=${s} is wrong`,
    (s) => `my-secret-name: '${s}'`,
    (s) => `--token=${s}`,
    (s) => `-----BEGIN PRIVATE KEY-----\n${s}\n-----END PRIVATE KEY-----`,
    (s) => `-----BEGIN RSA PRIVATE KEY-----\n${s}`,
    (s) => `the key AKIA${s.toUpperCase()}ABCDEFGHIJKL`,
    (s) => `eyJhbGciOi${s}.eyJzdWIi${s}.${s}`,
    (s) => `{\\"token\\":\\"${s}\\"}`,
    (s) => `AccountKey=${s};EndpointSuffix=x`,
    (s) => `passphrase: ${s}, pass=${s}, signature=${s}`,
    (s) => `{'token': b'${s}'}`,
    (s) => `token: >-\n  ${s}`,
    (s) => `Cookie: a=b; session=${s}`,
    (s) => `Authorization: Negotiate ${s}`,
    (s) => `curl -u ej:${s} --password ${s}`,
    (s) => `machine h login ej password ${s}`,
    (s) => `//ej:${s}@h/ mlflow://ej:a/${s}@h https%3A%2F%2Fej%3A${s}%40h`,
    (s) => `npm_abcdefghijkl${s} dapi0123456789abcdef`,
  ];
  fc.assert(
    fc.property(unknown, plain, plain, (secret, before, after) => {
      for (const form of around) {
        const shown = none.text(`${before} ${form(secret)} ${after}`);
        expect(shown).not.toContain(secret);
        expect(none.text(shown)).toBe(shown);
      }
    }),
    { numRuns: 300 },
  );
});

test("keys by their form alone, and what stands in quotes whose end was cut off", () => {
  expect(none.text('{"password": "two words')).toBe(`{"password": ${HIDDEN}`);
  const keys = ["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "dapi0123456789abcdef0123456789abcdef-2"];
  for (const key of keys) expect(none.text(`with ${key}: no`)).toBe(`with ${HIDDEN}: no`);
});

test("variables that may hold a secret, and each URL in one, as it is written and as it is read", () => {
  const env = {
    SMTP_PASS: "hunt2x",
    SIGNING_KEY: "false",
    REMOTES: "http://ej:p%40ss-w@a http://me:other-pw@b",
  };
  const known = new Redactor(knownSecrets({ envs: [env], naming: [], files: [], home: "/none" }));
  expect(known.text("hunt2x p%40ss-w p@ss-w other-pw false")).toBe(`${`${HIDDEN} `.repeat(4)}false`);
});

test("what a foreign text quotes is left out", () => {
  expect(none.foreign(`param "lr" has the value '0.1', MLflow's limit isn't 'x y'`)).toBe(
    `param "..." has the value '...', MLflow's limit isn't '...'`,
  );
  expect(none.foreign('said {"body": "two words\nnext line')).toBe('said {"...": "..."\nnext line');
  // As long as a server likes, and of nothing but escaped quotes: not in the square of its length.
  const long = '\\"'.repeat(100_000);
  expect(none.foreign(long)).toBe('\\"..."');
});

test("fields that are named like secrets are left out, and numbers are not", () => {
  expect(none.value({ token: "x", apiKey: ["x"], tokens: 3, nested: { Password: "x", ok: true } })).toEqual({
    token: HIDDEN,
    apiKey: HIDDEN,
    tokens: 3,
    nested: { Password: HIDDEN, ok: true },
  });
});

test("what a helper needs stays", () => {
  const model = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
  for (const text of [
    `The model ${model} is damaged.`,
    "Run 01JB3C8ZQ4T5W6X7Y8Z9ABCDEF ended as failed.",
    "http://127.0.0.1:5000 cannot be reached (ECONNREFUSED).",
    "at Host.open (file:///opt/pipekit/daemon/chunk-22P2MDFT.mjs:12:34)",
    "/home/ej/.local/state/pipekit-experiment/journal.db is open to other users (mode 755).",
    "The password is wrong, the token has expired, and authors passed 3 of 4 signatures.",
    "/srv/Models2026/teams/vision/AlexNet7/run/logs is 40 characters of a path.",
    "trackers.prod in /etc/pkx/config.yaml is wrong: The spec has an unknown query key.",
  ]) {
    expect(none.text(text)).toBe(text);
  }
});
