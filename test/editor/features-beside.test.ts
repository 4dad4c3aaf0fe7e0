/** What stands beside and over the text, and what a search over the workspace finds. */
import { describe, expect, test } from "vitest";
import { HOUR, hashOf, model, move, NOW, run } from "./fake-view.ts";
import { type Bench, bench, file, never, whole } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");
const RUN = "01JDPA9T8ZQ4W6Y2V0X3C5B7N1";
const PY = "import pipekit_experiment as pe\nregistry = pe.LocalModelRegistry('/srv/models')\n";

function known(settings = {}): Bench {
  const made = bench({ registry: "local:/srv/models", ...settings });
  made.view.models_ = [model(A, { runId: RUN }), model(B)];
  made.view.tags_ = [move("production", A, { previousHash: B }), move("best", B, { seq: 2 })];
  const sink = {
    spec: "mlflow+http://h/e",
    state: "done" as const,
    pointsSent: 1,
    pointsPending: 0,
    pointsDead: 0,
  };
  const rest = {
    lastError: "",
    retryAtUs: 0,
    remoteId: "r",
    remoteUrl: "http://h/#/runs/1",
    pendingSinceUs: 0,
    notes: [],
  };
  made.view.runs_ = [
    run(RUN, { sinks: [{ ...sink, ...rest }], headline: { key: "loss", step: 1, value: 0.5 } }),
  ];
  return made;
}

describe("inlay hints", () => {
  const hints = async (made: Bench, languageId: string, text: string) => {
    const open = file(languageId, text);
    return (await made.features.inlayHints(open, whole(open), never)).map(({ label, position }) => ({
      label,
      behind: open.document.getText().slice(0, open.document.offsetAt(position)).slice(-12),
    }));
  };

  test("the model and its age behind the quotes of a tag; the names behind a hash", async () => {
    expect(await hints(known(), "python", `${PY}registry.load("production")\n`)).toEqual([
      { label: "3f2a91bc · 2 d", behind: 'production"'.slice(-12).padStart(12, '"') },
    ]);
    expect((await hints(known(), "python", `${PY}registry.load("${A}")\n`))[0]?.label).toBe("production");
    expect(await hints(known(), "yaml", "model_ref: production\n")).toEqual([
      { label: "3f2a91bc · 2 d", behind: ": production" },
    ]);
  });

  test("only in the range, only where it is certain, and only if wanted", async () => {
    expect(await hints(known(), "python", 'x = "production"\n')).toEqual([]);
    expect(await hints(known({ inlayHints: false }), "python", `${PY}registry.load("production")\n`)).toEqual(
      [],
    );
    const open = file("python", `${PY}registry.load("production")\n`);
    const start = { line: 0, character: 0 };
    expect(await known().features.inlayHints(open, { start, end: { line: 1, character: 0 } }, never)).toEqual(
      [],
    );
  });
});

describe("code lenses", () => {
  const titles = async (made: Bench, text: string) =>
    (await made.features.lenses(file("python", text), never)).map(({ command }) => command?.title);

  test("the last runs of a name over start_run", async () => {
    const made = known();
    made.view.runs_.push(run(`${RUN.slice(0, -1)}2`, { state: "running", startedAtUs: NOW - HOUR }));
    const text = 'import pipekit_experiment as pe\npe.start_run("mnist")\npe.start_run("other")\n';
    expect(await titles(made, text)).toEqual(["completed · loss 0.5 · 2 h ago", "running · 1 h"]);
    const [lens] = await made.features.lenses(file("python", text), never);
    expect(lens?.command).toMatchObject({ command: "pipekit.showRun", arguments: [{ runId: RUN }] });
    expect(lens?.range.start.line).toBe(1);
  });

  test("where a name leads over load, and what can be done", async () => {
    expect(await titles(known(), `${PY}registry.load("production")\n`)).toEqual([
      "3f2a91bc my.Class · 2 d",
      "Promote…",
      "Roll back…",
    ]);
    expect(await titles(known({ codeLens: false }), `${PY}registry.load("production")\n`)).toEqual([]);
  });

  test("where the name leads over store", async () => {
    expect(await titles(known(), `${PY}registry.store(op, name="best")\n`)).toEqual([
      "best is 1b2c3d4e my.Class · 2 d",
    ]);
  });
});

test("links lead to the run's page in its tracker, and nowhere but to http", async () => {
  const made = known();
  const text = `${PY}registry.load("production")\npe.start_run("x", run_id="${RUN}")\n`;
  const links = async () =>
    (await made.features.links(file("python", text), never)).map(({ target }) => target);
  expect(await links()).toEqual(["http://h/#/runs/1", "http://h/#/runs/1"]);
  const [first] = made.view.runs_;
  made.view.runs_ = [
    { ...first, sinks: first?.sinks.map((sink) => ({ ...sink, remoteUrl: "javascript:alert(1)" })) } as never,
  ];
  expect(await links()).toEqual([]);
});

test("workspace symbols: names, models and runs", async () => {
  const found = await known().features.symbols("", never);
  expect(found.map(({ name, kind, location }) => [name, kind, location.uri])).toEqual([
    ["production", 14, "pipekit:/tag/production?registry=local%3A%2Fsrv%2Fmodels"],
    ["best", 14, "pipekit:/tag/best?registry=local%3A%2Fsrv%2Fmodels"],
    ["my.Class 3f2a91bc", 5, `pipekit:/model/${A}?registry=local%3A%2Fsrv%2Fmodels`],
    ["my.Class 1b2c3d4e", 5, `pipekit:/model/${B}?registry=local%3A%2Fsrv%2Fmodels`],
    ["mnist", 24, "http://h/#/runs/1"],
  ]);
  expect((await known().features.symbols("produ", never)).map(({ name }) => name)).toEqual(["production"]);
});

test("the signal's reason is thrown, and nothing else", async () => {
  const made = known();
  made.view.answering = false;
  const open = file("python", `${PY}registry.load("produ|ction")\n`);
  const reason = new Error("Not wanted any more.");
  const controller = new AbortController();
  const hover = made.features.hover(open, open.at, controller.signal);
  setImmediate(() => controller.abort(reason));
  await expect(hover).rejects.toBe(reason);
});
