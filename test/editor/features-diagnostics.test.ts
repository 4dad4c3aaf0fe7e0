import { PipekitError } from "@pipekit/proto";
import { describe, expect, test, vi } from "vitest";
import { DAY, HOUR, hashOf, model, move, NOW, run } from "./fake-view.ts";
import { type Bench, bench, file, never } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");

function known(settings = {}): Bench {
  const made = bench({ registry: "local:/srv/models", ...settings });
  made.view.models_ = [model(A), model(B)];
  made.view.tags_ = [move("production", A)];
  return made;
}

/** `severity code: message` of each. */
async function found({ features }: Bench, text: string, writtenAtUs = NOW, languageId = "typescript") {
  const open = file(languageId, text, writtenAtUs);
  // What is read for the first time is there at the next look.
  await features.diagnostics(open, never);
  const diagnostics = await features.diagnostics(open, never);
  return diagnostics.map(
    (one) => `${one.severity} ${one.code} ${open.document.getText(one.range)}: ${one.message}`,
  );
}

const load = (ref: string) =>
  `const registry = client.registry("local:/srv/models");\nawait registry.load("${ref}");\n`;

describe("refs", () => {
  test("what is right gives nothing", async () => {
    expect(await found(known(), load("production"))).toEqual([]);
    expect(await found(known(), load(A))).toEqual([]);
    expect(await found(known(), load("production@7"))).toEqual([]);
  });

  test("a tag that does not exist", async () => {
    expect(await found(known(), load("prodution"))).toEqual([
      "2 unknown-tag prodution: The registry local:/srv/models has no tag prodution. Did you mean production?",
    ]);
  });

  test("a hash that no longer exists", async () => {
    expect(await found(known(), load(hashOf("deadbeef")))).toEqual([
      `2 unknown-model ${hashOf("deadbeef")}: The registry local:/srv/models has no model deadbeef….`,
    ]);
  });

  test("an ambiguous prefix, and what is no ref", async () => {
    const made = known();
    made.view.models_ = [model(hashOf("3f2a91bc1")), model(hashOf("3f2a91bc2"))];
    expect((await found(made, load("3f2a91bc")))[0]).toMatch(/^2 ambiguous-ref/);
    expect((await found(known(), load("-x")))[0]).toMatch(
      /^2 invalid-ref -x: The reference "-x" begins with/,
    );
  });

  test("a tag that moved after the file was written, and not one that moved before", async () => {
    const made = known();
    made.view.tags_ = [move("production", A, { atUs: NOW - 2 * HOUR, reason: "better" })];
    expect(await found(made, load("production"), NOW - DAY)).toEqual([
      "3 tag-moved production: production has moved to 3f2a91bc my.Class by ada 2 h ago, since this file was written (better).",
    ]);
    expect(await found(made, load("production"), NOW - HOUR)).toEqual([]);
  });

  test("a pin whose tag leads elsewhere by now", async () => {
    const made = known();
    made.view.tags_ = [move("production", A, { seq: 9 })];
    const pinned = load(B).replace(`${B}");`, `${B}"); // pipekit: production@7`);
    expect((await found(made, pinned))[0]).toMatch(
      /^2 stale-pin .*: Pinned from production@7, but production leads to 3f2a91bc my\.Class now \(production@9 by ada, 2 d ago\)\.$/,
    );
    // It went away and came back.
    made.view.tags_ = [move("production", B, { seq: 9 })];
    expect(await found(made, pinned)).toEqual([]);
  });

  test("a tag that is only moved here need not exist, but must be a name", async () => {
    const tag = (name: string) =>
      load("production").replace(
        "load(",
        `tag("${A}", "new"); registry.tag("${A}", "${name}"); registry.load(`,
      );
    expect(await found(known(), tag("fresh"))).toEqual([]);
    expect((await found(known(), tag("a b")))[0]).toMatch(/^2 invalid-ref a b: The tag name/);
  });

  test("a string that stands nowhere special is never complained about", async () => {
    expect(await found(known(), 'const x = "prodution"; const y = "deadbeef";\n')).toEqual([]);
  });
});

describe("no false alarm", () => {
  test("while the registry was not read", async () => {
    const made = known();
    made.view.filled = false;
    expect(await found(made, load("prodution"))).toEqual([]);
  });

  test("while the daemon is away", async () => {
    const made = known();
    made.view.state = "unavailable";
    expect(await found(made, load("prodution"))).toEqual([]);
    expect(made.view.asked).toEqual([]);
  });

  test("of a model that was stored since the index was read", async () => {
    const made = known();
    made.view.answers["pipekit/resolve"] = () => ({ hash: hashOf("deadbeef") });
    expect(await found(made, load("deadbeef"))).toEqual([]);
  });

  test("while the registry's server is away", async () => {
    const made = known();
    made.view.answers["pipekit/resolve"] = () => {
      throw new PipekitError("REGISTRY_UNAVAILABLE", "Away.");
    };
    expect(await found(made, load("prodution"))).toEqual([]);
  });
});

describe("registries", () => {
  test("one that cannot be is told once in a file", async () => {
    const made = known();
    made.view.faults.set(
      "local:/srv/models",
      new PipekitError("INVALID_REGISTRY_SPEC", "It is wrong.", { mend: "Mend it." }),
    );
    expect(await found(made, load("production") + load("best"))).toEqual([
      "2 invalid-registry production: It is wrong. Mend it.",
    ]);
  });

  test("a spec is not opened while it is being typed, but when it has stood for a while", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const made = known({ registry: "" });
      for (const spec of ["s3", "s3:", "s3:/", "s3://b"]) {
        await made.features.diagnostics(
          file("typescript", load("prodution").replace("local:/srv/models", spec)),
          never,
        );
        vi.advanceTimersByTime(200);
      }
      expect([...made.view.opened]).toEqual([]);
      const text = load("prodution").replace("local:/srv/models", "s3://b");
      vi.advanceTimersByTime(1500);
      expect(made.changes()).toBe(1);
      await made.features.diagnostics(file("typescript", text), never);
      expect([...made.view.opened]).toEqual(["s3://b"]);
    } finally {
      vi.useRealTimers();
    }
  });
});

test("a run that the daemon does not know is a hint", async () => {
  const made = known();
  made.view.runs_ = [run("01JDPA9T8ZQ4W6Y2V0X3C5B7N1")];
  const text = 'import pipekit_experiment as pe\npe.start_run("x", run_id="01JDPA9T8ZQ4W6Y2V0X3C5B7N2")\n';
  expect(await found(made, text, NOW, "python")).toEqual([
    "4 unknown-run 01JDPA9T8ZQ4W6Y2V0X3C5B7N2: The daemon knows no run 01JDPA9T8ZQ4W6Y2V0X3C5B7N2.",
  ]);
});

test("changes of what is shown are told, those that come together once", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const made = known();
    await made.features.diagnostics(file("typescript", load("production")), never);
    await vi.advanceTimersByTimeAsync(2000);
    const before = made.changes();
    for (let n = 0; n < 10; n += 1) made.view.tell();
    await vi.advanceTimersByTimeAsync(249);
    expect(made.changes()).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(made.changes()).toBe(before + 1);
    made.view.tellRuns(run("01JDPA9T8ZQ4W6Y2V0X3C5B7N1"));
    await vi.advanceTimersByTimeAsync(2000);
    expect(made.changes()).toBe(before + 1);
  } finally {
    vi.useRealTimers();
  }
});
