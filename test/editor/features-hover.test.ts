import { PipekitError } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import type { MarkupContent } from "vscode-languageserver/node";
import { hashOf, model, move, NOW, run } from "./fake-view.ts";
import { type Bench, bench, file, never } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");
const RUN = "01JDPA9T8ZQ4W6Y2V0X3C5B7N1";

const python = (ref: string) =>
  `from pipekit_experiment.registry import LocalModelRegistry\nregistry = LocalModelRegistry("/srv/models")\nregistry.load("${ref}|")\n`;

async function hovered({ features }: Bench, text: string, languageId = "python"): Promise<string> {
  const open = file(languageId, text);
  const hover = await features.hover(open, open.at, never);
  return (hover?.contents as MarkupContent | undefined)?.value ?? "";
}

function known(settings = {}, more = {}): Bench {
  const made = bench(settings, more);
  made.view.models_ = [model(A, { runId: RUN }), model(B)];
  made.view.tags_ = [
    move("production", A, { previousHash: B, reason: "better on fold 3" }),
    move("best", A, { seq: 2 }),
  ];
  made.view.runs_ = [run(RUN, { headline: { key: "val_loss", step: 900, value: 0.031 } })];
  return made;
}

describe("hover over a tag", () => {
  test("tells the model, who moved the tag when and why, and where it led before", async () => {
    const shown = await hovered(known(), python("production"));
    expect(shown).toContain("`production` is `3f2a91bc my.Class`");
    expect(shown).toContain(`Hash: \`${A}\``);
    expect(shown).toContain("Weights: 12.0 MiB, safetensors");
    expect(shown).toMatch(/Promoted: by ada at 2026-11-25 \d\d:00:00 \(2 d ago\), move `production@7`/);
    expect(shown).toContain("Why: better on fold 3");
    expect(shown).toContain("Before: `1b2c3d4e my.Class`");
    expect(shown).toContain("Made by run: `mnist`, completed, val\\_loss 0.031 at step 900");
    expect(shown).toContain("Other tags: `best@2` (ada, 2 d ago)");
    expect(shown).toContain("Registry: `local:/srv/models`");
    expect(shown).not.toContain("As of");
  });

  test.each([
    ["typescript", 'const registry = client.registry("s3://b/m");\nawait registry.load("production|");'],
    ["yaml", "model_ref: production|\n"],
  ])("also in %s", async (languageId, text) => {
    expect(await hovered(known(), text, languageId)).toContain("`production` is `3f2a91bc my.Class`");
  });

  test("a daemon that does not answer at once gives what the index knew", async () => {
    const made = known();
    made.view.answering = false;
    const shown = await hovered(made, python("production"));
    expect(shown).toContain("is `3f2a91bc my.Class`");
    expect(shown).toMatch(/\*As of \d\d:00: the registry has not answered at once\.\*/);
  });

  test("a daemon that is away is not asked, and the mend is told", async () => {
    const made = known();
    made.view.state = "unavailable";
    const shown = await hovered(made, python("production"));
    expect(shown).toContain("is `3f2a91bc my.Class`");
    expect(shown).toMatch(/As of \d\d:00: No daemon answers\./);
    expect(shown).toContain("pkx serve");
    expect(made.view.asked).toEqual([]);
  });

  test("what the daemon says outranks the index", async () => {
    const made = known();
    made.view.answers["pipekit/resolve"] = () => ({
      hash: B,
      move: move("production", B, { seq: 8, actor: "bob" }),
    });
    const shown = await hovered(made, python("production"));
    expect(shown).toContain("is `1b2c3d4e my.Class`");
    expect(shown).toContain("by bob");
  });

  test("a name that no tag has is told, with those much like it", async () => {
    const shown = await hovered(known(), python("prodution"));
    expect(shown).toContain("No tag has the name `prodution`.");
    expect(shown).toContain("Much the same name: `production`");
  });

  test("nothing is claimed of a registry that has not answered", async () => {
    const made = known();
    made.view.filled = false;
    made.view.answering = false;
    expect(await hovered(made, python("prodution"))).toContain("is not known yet");
  });

  test("a string that stands nowhere special is shown only where such a tag exists", async () => {
    const made = known();
    expect(await hovered(made, 'x = "production|"\n')).toContain("3f2a91bc");
    expect(await hovered(made, 'x = "something|"\n')).toBe("");
    expect(made.view.asked.map(({ params }) => params)).not.toContainEqual({
      registry: "",
      ref: "something",
    });
  });

  test("plain text for a client that shows no Markdown", async () => {
    const shown = await hovered(known({}, { markdown: false }), python("production"));
    expect(shown).toContain("production is 3f2a91bc my.Class");
    expect(shown).not.toMatch(/[`*\\]/);
  });
});

describe("hover over a hash", () => {
  test("tells the names that lead to it", async () => {
    const shown = await hovered(known(), python(A));
    expect(shown).toContain("Model `3f2a91bc my.Class`");
    expect(shown).toContain("Tags: `production@7` (ada, 2 d ago), `best@2` (ada, 2 d ago)");
  });

  test("a prefix of several is told", async () => {
    const made = known();
    made.view.models_ = [model(hashOf("3f2a91bc1")), model(hashOf("3f2a91bc2"))];
    expect(await hovered(made, python("3f2a91bc"))).toContain("is the beginning of several hashes");
  });

  test("one that no model has is told", async () => {
    expect(await hovered(known(), python("deadbeef"))).toContain("No model's hash begins with `deadbeef`.");
  });
});

describe("hover over a run", () => {
  const text = 'import pipekit_experiment as pe\npe.start_run("x", run_id="01JDPA9T8ZQ4W6Y2V0X3C5B7N1|")\n';
  const sink = {
    ...{
      spec: "mlflow+http://h/e",
      state: "retrying" as const,
      pointsSent: 5,
      pointsPending: 120,
      pointsDead: 0,
    },
    ...{ lastError: "503 from [h](http://evil)", retryAtUs: 0, remoteId: "r", notes: [] },
    ...{ remoteUrl: "http://h/#/runs/1", pendingSinceUs: NOW - 5e6 },
  };

  test("tells state, metrics, sinks and how far they are behind", async () => {
    const made = known();
    made.view.runs_ = [run(RUN, { state: "running", endedAtUs: 0, sinks: [sink] })];
    const shown = await hovered(made, text);
    expect(shown).toContain("Run `mnist`");
    expect(shown).toContain("State: running");
    expect(shown).toMatch(/Sink: `mlflow\+http:\/\/h\/e` retrying, 5 s behind, 120 points to send/);
    expect(shown).toContain("<http://h/#/runs/1>");
    expect(shown).toContain("503 from \\[h\\](http\\://evil)");
  });

  test("one that the daemon does not know is told", async () => {
    const made = known();
    made.view.runs_ = [];
    expect(await hovered(made, text)).toContain(`No run has the id \`${RUN}\`.`);
  });
});

describe("what users wrote stays text", () => {
  test.each([
    ["a link", "[click](http://evil/)", "\\[click\\](http\\://evil/)"],
    ["HTML", "<img src=x onerror=y>", "\\<img src=x onerror=y\\>"],
    ["an image", "![x](http://evil/x.png)", "\\!\\[x\\](http\\://evil/x.png)"],
    ["lines of its own", "a\n\n# b\r\n- c", "a # b - c"],
    ["a command of VS Code", "[x](command:evil)", "\\[x\\](command:evil)"],
    ["marks that turn the direction", "a\u202eb", "ab"],
  ])("%s", async (_, reason, written) => {
    const made = known();
    made.view.tags_ = [move("production", A, { reason })];
    expect(await hovered(made, python("production"))).toContain(`Why: ${written}\n`);
  });

  test("backticks do not end a code span", async () => {
    const made = known();
    made.view.models_ = [model(A, { operator: "my.`` <b>x</b> `Class" })];
    made.view.tags_ = [move("production", A)];
    expect(await hovered(made, python("production"))).toContain("``` 3f2a91bc my.`` <b>x</b> `Class ```");
  });
});

test("a registry that is away is no failure of the hover", async () => {
  const made = known();
  made.view.answers["pipekit/resolve"] = () => {
    throw new PipekitError("REGISTRY_UNAVAILABLE", "Away.");
  };
  expect(await hovered(made, python("production"))).toContain("As of");
});
