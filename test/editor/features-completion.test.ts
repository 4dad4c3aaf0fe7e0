import { describe, expect, test } from "vitest";
import type { CompletionItem, TextEdit } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { HOUR, hashOf, model, move, NOW, run } from "./fake-view.ts";
import { type Bench, bench, file, never } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");
const RUN = "01JDPA9T8ZQ4W6Y2V0X3C5B7N1";
const HEAD = 'import pipekit_experiment as pe\nregistry = pe.LocalModelRegistry("/srv/models")\n';

function known(): Bench {
  const made = bench();
  made.view.models_ = [model(A), model(B, { createdAtUs: NOW - 5 * HOUR })];
  made.view.tags_ = [move("production", A), move("best", A, { atUs: NOW - HOUR })];
  made.view.runs_ = [run(RUN)];
  return made;
}

async function completed({ features }: Bench, text: string, languageId = "python") {
  const open = file(languageId, text);
  const list = await features.complete(open, open.at, never);
  const applied = (item: CompletionItem) =>
    TextDocument.applyEdits(open.document, [item.textEdit as TextEdit]);
  return { open, list, items: list?.items ?? [], applied };
}

describe("completion of refs", () => {
  test("names first, by their last move, then models; a hash is written whole", async () => {
    const { items, applied } = await completed(known(), `${HEAD}registry.load("|")`);
    expect(items.map(({ label, detail }) => `${label} ${detail}`)).toEqual([
      "best → 3f2a91bc my.Class, 1 h",
      "production → 3f2a91bc my.Class, 2 d",
      "3f2a91bc my.Class, 3 d",
      "1b2c3d4e my.Class, 5 h",
    ]);
    expect(items.map((item) => item.sortText)).toEqual(["0000", "0001", "0002", "0003"]);
    expect(applied(items[2] as CompletionItem)).toBe(`${HEAD}registry.load("${A}")`);
  });

  test("in a string that has no end yet, and in the middle of one", async () => {
    const open = await completed(known(), `${HEAD}registry.load("pro|\n`);
    expect(open.applied(open.items[1] as CompletionItem)).toBe(`${HEAD}registry.load("production\n`);
    const middle = await completed(known(), `${HEAD}registry.load("pr|xx")\n`);
    expect(middle.applied(middle.items[1] as CompletionItem)).toBe(`${HEAD}registry.load("production")\n`);
  });

  test("the moves of a tag behind its @", async () => {
    const made = known();
    made.view.answers["pipekit/tagHistory"] = () => ({
      moves: [
        move("production", A),
        move("production", "", { seq: 6 }),
        move("production", B, { seq: 5, reason: "fold 3" }),
      ],
      nextPageToken: "",
    });
    const { items, applied } = await completed(made, `${HEAD}registry.load("production@|")`);
    expect(items.map(({ label, detail }) => `${label} ${detail}`)).toEqual([
      "production@7 → 3f2a91bc my.Class, 2 d",
      "production@5 → 1b2c3d4e my.Class, 2 d, fold 3",
    ]);
    expect(applied(items[1] as CompletionItem)).toBe(`${HEAD}registry.load("production@5")`);
  });

  test("only names where a tag is moved", async () => {
    const { items } = await completed(known(), `${HEAD}registry.tag("${A}", "|")`);
    expect(items.map(({ label }) => label)).toEqual(["best", "production"]);
  });

  test("none in an f-string, a comment, or a string of something else", async () => {
    expect((await completed(known(), `${HEAD}registry.load(f"|")`)).list).toBeNull();
    expect((await completed(known(), `${HEAD}# registry.load("|")`)).list).toBeNull();
    expect((await completed(known(), `import json\njson.load("|")`)).list).toBeNull();
  });

  test("a long list is cut, and says so", async () => {
    const made = known();
    const digits = (n: number) => hashOf(n.toString(16).padStart(8, "a"));
    made.view.models_ = Array.from({ length: 1000 }, (_, n) => model(digits(n)));
    const { items, list } = await completed(made, `${HEAD}registry.load("|")`);
    expect(items).toHaveLength(200);
    expect(list?.isIncomplete).toBe(true);
    const typed = await completed(made, `${HEAD}registry.load("${digits(700)}|")`);
    expect(typed.items.map(({ filterText }) => filterText)).toContain(`${digits(700)} my.Class`);
  });

  test("YAML quotes a name that it would take for something else", async () => {
    const made = known();
    made.view.tags_ = [move("1.0", A), move("v1", A)];
    const plain = await completed(made, "model_ref: |\n", "yaml");
    const of = (list: typeof plain, label: string) =>
      list.items.find((item) => item.label === label) as CompletionItem;
    expect(plain.applied(of(plain, "1.0"))).toBe('model_ref: "1.0"\n');
    expect(plain.applied(of(plain, "v1"))).toBe("model_ref: v1\n");
    const quoted = await completed(made, "model_ref: '|'\n", "yaml");
    expect(quoted.applied(of(quoted, "1.0"))).toBe("model_ref: '1.0'\n");
  });
});

test("runs by id and name, newest first, with their state", async () => {
  const { items, applied } = await completed(
    known(),
    'import pipekit_experiment as pe\npe.start_run("x", run_id="|")\n',
  );
  expect(items.map(({ label, detail, filterText }) => [label, detail, filterText])).toEqual([
    ["mnist", "completed · 2 h ago", `${RUN} mnist`],
  ]);
  expect(applied(items[0] as CompletionItem)).toContain(`run_id="${RUN}"`);
});

test("sinks that runs were sent to", async () => {
  const made = known();
  const sink = {
    spec: "mlflow+http://h/e",
    state: "done" as const,
    pointsSent: 1,
    pointsPending: 0,
    pointsDead: 0,
  };
  const rest = { lastError: "", retryAtUs: 0, remoteId: "", remoteUrl: "", pendingSinceUs: 0, notes: [] };
  made.view.runs_ = [
    run(RUN, { sinks: [{ ...sink, ...rest }] }),
    run(`${RUN.slice(0, -1)}2`, { sinks: [{ ...sink, ...rest }] }),
  ];
  const { items } = await completed(
    made,
    'import pipekit_experiment as pe\npe.start_run("x", sinks=["|"])\n',
  );
  expect(items.map(({ label }) => label)).toEqual(["mlflow+http://h/e"]);
});

test("a registry that is slow gives an empty list, and holds nobody up", async () => {
  const made = bench();
  made.view.filled = false;
  const { items } = await completed(made, `${HEAD}registry.load("|")`);
  expect(items).toEqual([]);
});
