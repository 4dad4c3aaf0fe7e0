/**
 * The small languages: references to models, specs of trackers, registries, streams and patterns of names. Any text is
 * read or refused typed, what is read is written as one canonical text, and no text takes long.
 */
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { localRegistry } from "@pipekit/adapters/local";
import { mlflowRegistry, mlflowTracker } from "@pipekit/adapters/mlflow";
import { s3Registry } from "@pipekit/adapters/s3";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import { SpecError } from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { checkMetricKey, checkTagName, nearestName, PipekitError, parseRef, refText } from "@pipekit/proto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseNatsSpec } from "../../adapters/nats/spec.ts";
import { patternOf } from "../../daemon/access/pattern.ts";
import { mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { soon } from "./patience.ts";

const options = { timeout: PATIENCE_MS };

/** Long texts of few parts: what makes a careless expression go back and forth. */
function long(parts: readonly string[]): fc.Arbitrary<string> {
  const one = fc.constantFrom(...parts);
  return fc
    .array(fc.tuple(one, fc.constantFrom(1, 2, 500, 20_000)), { minLength: 1, maxLength: 4 })
    .map((all) =>
      all
        .map(([part, times]) => part.repeat(times))
        .join("")
        .slice(0, 100_000),
    );
}

const REFS = [
  "a",
  "production",
  "prod@7",
  "prod~1",
  "0123abcd",
  "0123456789abcdef".repeat(4),
  "a.b-c_d@999999999999999",
];
const refs = fc.oneof(
  fc.string({ unit: fc.constantFrom(..."ab09@~._-/ F") }),
  mutatedText(fc.constantFrom(...REFS)),
  long(["a", "@", "~", "0", "1", ".", "a@1", "~1", "\n", "é"]),
);

test("references", options, async () => {
  await fuzz("refs", 3000, refs, async (text) => {
    await soon("a reference", () => {
      const ref = refusedOr("REF_INVALID", () => parseRef(text));
      if (ref !== undefined) {
        expect(parseRef(refText(ref))).toEqual(ref);
        expect(refText(ref)).toBe(ref.kind === "hash" || ref.kind === "prefix" ? text.toLowerCase() : text);
      }
      refusedOr("TAG_NAME_INVALID", () => checkTagName(text));
      refusedOr("INVALID_METRIC", () => checkMetricKey(text));
      nearestName(text.slice(0, 200), REFS);
    });
  });
});

/** What the call gives; undefined when it was refused with this code, in a sentence that is short. */
function refusedOr<T>(code: string, call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof PipekitError)) throw error;
    expect(error.code).toBe(code);
    expect(error.message.length).toBeLessThan(1000);
    return undefined;
  }
}

const SPECS = [
  ...[
    "mlflow:http://u:SECRET@host:5000/exp",
    "mlflow+https://host/exp?base=/a&token=env:T",
    "mlflow:exp",
    "mlflow+http://[::1]:5000/a%2Fb",
  ],
  ...[
    "wandb:entity/project",
    "wandb+https://host/e/p?key=file:/k",
    "wandb-offline:///tmp/x?project=p",
    "wandb:///",
  ],
  ...[
    "tensorboard:///tmp/tb",
    "tensorboard:///a%20b",
    "clearml:project",
    "clearml+https://host/p?files=https://f&key=env:K",
    "clearml-offline:///x?project=p",
  ],
  ...[
    "local:/srv/models",
    "local:///srv/models",
    "s3://bucket/prefix?region=eu&endpoint=http://h:1",
    "s3:/bucket",
    "mlflow+http://host/registry?key=env:SECRET",
  ],
  ...["nats://127.0.0.1:4222/S?token=env:T", "nats+tls://h/S?creds=file:/c&max_gb=5&consumer=x"],
];
const specs = fc.oneof(
  mutatedText(fc.constantFrom(...SPECS)),
  fc
    .tuple(
      fc.constantFrom(...SPECS),
      long(["/", "%", "%2e", "..", "?", "&", "=", "a", "@", ":", "#", "[", "file:/", "\\", "\0", "é"]),
    )
    .map(([head, tail]) => head + tail),
  fc
    .tuple(
      fc.constantFrom(...SPECS.map((spec) => spec.slice(0, spec.indexOf(":") + 1))),
      fc.webUrl({ withQueryParameters: true }),
    )
    .map(([head, tail]) => head + tail),
);
const KINDS = [
  mlflowTracker,
  wandbTracker,
  tensorboardTracker,
  clearmlTracker,
  localRegistry,
  s3Registry,
  mlflowRegistry,
];

test("specs", options, async () => {
  let read = 0;
  await fuzz("specs", 1500, specs, async (text) => {
    await soon("a spec", () => {
      const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? "";
      for (const kind of KINDS.filter(({ schemes }) => schemes.includes(scheme))) {
        const canonical = unlessSpecError(() => kind.parse(text));
        if (canonical === undefined) continue;
        read++;
        expect(kind.parse(canonical)).toBe(canonical);
        if ("throttleKey" in kind) expect(kind.throttleKey(canonical)).toBeTypeOf("string");
        // What is written into logs and journals on holds no password.
        expect(canonical).not.toMatch(/^[a-z0-9+.-]+:\/\/[^/]*:[^/]*@/i);
      }
      unlessSpecError(() => parseNatsSpec(text));
    });
  });
  expect(read).toBeGreaterThan(0);
});

function unlessSpecError<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    expect(error.message).not.toContain("SECRET@");
    return undefined;
  }
}

const patterns = fc.tuple(long(["*", "a", "ab", "?", "*a", "b*"]), long(["a", "ab", "b", "?", "aaab"]));

test("patterns of names", options, async () => {
  await fuzz("patterns", 300, patterns, async ([pattern, name]) => {
    await soon("a pattern", () => {
      for (const barrier of [undefined, "?"]) patternOf(pattern, barrier).matches(name);
      expect(patternOf("*").matches(name)).toBe(true);
      expect(patternOf(name.replaceAll("*", "")).matches(name)).toBe(!name.includes("*"));
    });
  });
});
