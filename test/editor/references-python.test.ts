import { homedir } from "node:os";
import { describe, expect, test } from "vitest";
import { callsIn, certainIn, opened, referencesIn, slotIn } from "./references-support.ts";

const HASH = "3f2a9c1d".repeat(8);
const RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const IMPORT = "import pipekit_experiment as pe\n";

describe("where a call names a model, a tag or a run", () => {
  const cases: readonly [code: string, ...found: string[]][] = [
    ['registry.load("production")', "model production"],
    ["registry.load('production@7', trust=['x'])", "model production@7"],
    ['registry.load(ref="production~1")', "model production~1"],
    ['registry.load_weights("production")', "model production"],
    ['await self.registry.load("production")', "model production"],
    ['self._model_registry.stat("production")', "model production"],
    ['registry.resolve_tag("production")', "model production"],
    ['registry.tag("abcdef12", "production")', "model abcdef12", "tag production"],
    ['registry.tag(hash, name="production", expected="abcdef12")', "tag production", "model abcdef12"],
    ['registry.history("production")', "tag production"],
    ['registry.rollback("production", steps=2, reason="bad")', "tag production"],
    ['registry.delete_tag("production")', "tag production"],
    ['registry.watch_tag(name="production")', "tag production"],
    ['registry.pin("production"); registry.unpin("production")', "model production", "model production"],
    ['registry.verify("a1", "b2", quick=True)', "model a1", "model b2"],
    ['registry.diff("a1", b="b2")', "model a1", "model b2"],
    ['registry.copy_to("s3://b/x/", ["a1", "b2"])', "model a1", "model b2"],
    ['registry.export("a.tar", refs="a1")', "model a1"],
    [`registry.store(op, name="candidate", run="${RUN}")`, "tag candidate", `run ${RUN}`],
    [`pe.join_run("${RUN}")`, `run ${RUN}`],
    [`pe.start_run("train", run_id="${RUN}", tags={"a": "b"})`, `run ${RUN}`],
    ['ModelRef("production")', "model production in the daemon's own"],
    ['ModelRef("production", "s3://b/x/")', "model production in s3://b/x/"],
    ['ModelRef(registry="s3://b/x/", ref="production")', "model production in s3://b/x/"],
    ['pe.LocalModelRegistry().load("production")', "model production in the daemon's own"],
    ['pe.registry.open_registry("s3://b/x/").load("production")', "model production in s3://b/x/"],
    ['if x:\n    y = [registry.load("production") for _ in z]', "model production"],
    ['@needs(registry.load("production"))\ndef f():\n    pass', "model production"],
    ['f(lambda: registry.load("production"))', "model production"],
    ['with pe.connect() as c:\n  registry.load("production")', "model production"],
    ['registry\\\n  .load("production")', "model production"],
    ['registry.load(  # which\n    "production",\n)', "model production"],
    ['try:\n    pass\nexcept X:\n    registry.load("production")', "model production"],
    ['match x:\n    case 1:\n        registry.load("production")', "model production"],
  ];
  test.each(cases)("%s", async (code, ...found) => {
    expect(await certainIn("python", code)).toEqual(found);
  });

  test("only where the receiver is a registry", async () => {
    const foreign = ["json", "torch", "yaml", "np", "pickle"].map(
      (name) => `import ${name}\n${name}.load("production")\n`,
    );
    expect(await referencesIn("python", foreign.join(""))).toEqual([]);
    expect(await referencesIn("python", 'torch.load("model.pt")\nkeras.models.load("a1")')).toEqual([]);
    expect(await certainIn("python", 'import mlflow\nmlflow.start_run(run_id="abc12345")')).toEqual([]);
    expect(await certainIn("python", 'models.load("production")')).toEqual([]);
    expect(await certainIn("python", 'x = Registry("heads")\nx.load("production")')).toEqual([]);
    expect(await certainIn("python", `${IMPORT}models.load("production")`)).toEqual(["model production"]);
  });

  test("a keyword of training names a model where the file imports the client", async () => {
    const code = 'from pipekit_experiment.training import TrainingLoop\nloop.run(resume_from="checkpoint")';
    expect(await certainIn("python", code)).toEqual(["model checkpoint"]);
    expect(await certainIn("python", 'subprocess.run(resume_from="checkpoint")')).toEqual([]);
  });
});

describe("the registry that is meant", () => {
  const cases: readonly [constructor: string, spec: string][] = [
    ["pe.LocalModelRegistry()", " in the daemon's own"],
    ["pe.LocalModelRegistry(None)", " in the daemon's own"],
    ['pe.LocalModelRegistry("/srv//models/")', " in local:/srv/models"],
    ['LocalModelRegistry(Path("/srv/models"))', " in local:/srv/models"],
    ['pe.LocalModelRegistry(root="~/models", trust=["x"])', ` in local:${homedir()}/models`],
    ['pe.LocalModelRegistry("models")', ""],
    ["pe.LocalModelRegistry(folder)", ""],
    ["pe.LocalModelRegistry(Path())", ""],
    ['pe.LocalModelRegistry(f"/srv/{name}")', ""],
    ['pe.S3ModelRegistry("b")', " in s3://b/models/"],
    ['pe.S3ModelRegistry("b", "/team a/models")', " in s3://b/team%20a/models/"],
    [
      'pe.S3ModelRegistry("b", prefix="x", path_style=True, endpoint="http://127.0.0.1:9000", poll_ms=200)',
      " in s3://b/x/?endpoint=http%3A%2F%2F127.0.0.1%3A9000&path_style=true&poll_ms=200",
    ],
    ['pe.S3ModelRegistry("b", "x", region=None, unsafe_without_conditional_writes=False)', " in s3://b/x/"],
    ['pe.S3ModelRegistry("b", "x", region=region)', ""],
    ['pe.MLflowModelRegistry("m", "http://h:5000")', " in mlflow+http://h:5000/m"],
    [
      'pe.MLflowModelRegistry(tracking_uri="https://h/base/", poll_ms=500)',
      " in mlflow+https://h/pipekit-models?base=%2Fbase&poll_ms=500",
    ],
    ['pe.MLflowModelRegistry("m")', ""],
    ['DaemonRegistry("local:/srv")', " in local:/srv"],
  ];
  test.each(cases)("%s", async (made, spec) => {
    const direct = `${made}.load("production")\n`;
    const named = `x = ${made}\ndef f():\n    x.load("production")\n`;
    const attribute = `class A:\n  def __init__(self):\n    self.x = ${made}\n\n  def f(self):\n    self.x.load("production")\n`;
    const ofClass = `class A:\n  x = ${made}\n  def f(self):\n    self.x.load("production")\n`;
    const constant = `x = ${made}\ny = x\nfor i in z:\n    y.load("production")\n`;
    for (const code of [direct, named, attribute, ofClass, constant]) {
      expect(await certainIn("python", IMPORT + code), code).toContain(`model production${spec}`);
    }
  });

  test("is that of the scope", async () => {
    const code = `${IMPORT}registry = pe.LocalModelRegistry("/a")
def f(registry):
    registry.load("one")
def g():
    registry = pe.LocalModelRegistry("/b")
    registry.load("two")
    def h():
        registry.load("three")
    registry.load("four")
registry.load("five")
def i(store: pe.S3ModelRegistry, other):
    store.load("six")
    other.load("seven")
registry = pe.LocalModelRegistry("/c")
registry.load("eight")
`;
    expect(await certainIn("python", code)).toEqual([
      "model one",
      "model two in local:/b",
      "model three in local:/b",
      "model four in local:/b",
      "model five in local:/a",
      "model six",
      "model eight in local:/c",
    ]);
  });
});

describe("strings", () => {
  test("constants are references where they are written", async () => {
    const code = `ROOT = "/srv/models"\nTAG: str = "production"\nOTHER = TAG\n${IMPORT}
def f():
    registry = pe.LocalModelRegistry(ROOT)
    return registry.load(OTHER)
`;
    const { references } = await opened("python", code).outline();
    expect(references.filter(({ certain }) => certain)).toEqual([
      {
        kind: "model",
        text: "production",
        span: { from: code.indexOf("production"), to: code.indexOf("production") + 10 },
        certain: true,
        registry: "local:/srv/models",
      },
    ]);
  });

  const none: readonly string[] = [
    'registry.load(f"production")',
    'registry.load("produc" "tion")',
    'registry.load("produc" + "tion")',
    'registry.load(b"production")',
    'registry.load("%s" % "production".upper())'.replace('"production"', "name"),
    '"production"',
    'def f():\n    """production"""',
    'row["production"]',
    '{"production": 1}',
    'x: "production" = 1',
    "import production",
    '"a production"',
    `"${"a".repeat(200)}"`,
    'registry.load("")',
    'registry.load("pro',
  ];
  test.each(none)("none in %s", async (code) => {
    expect(await referencesIn("python", code)).toEqual([]);
  });

  test("elsewhere may be references", async () => {
    expect(
      await referencesIn("python", `print("production", '${HASH}', r"${RUN}", """v1.2-rc@3""")`),
    ).toEqual(["model? production", `model? ${HASH}`, `run? ${RUN}`, "model? v1.2-rc@3"]);
  });

  const written: readonly [code: string, text: string, slice: string][] = [
    ['registry.load(r"pro\\d")', "pro\\d", "pro\\d"],
    ['registry.load("pro\\x64\\u0064\\144")', "proddd", "pro\\x64\\u0064\\144"],
    ['registry.load("""production""")', "production", "production"],
    ["registry.load('''pro\nduction''')", "pro\nduction", "pro\nduction"],
    ['registry.load(Rb"x", ref=U"production")', "production", "production"],
    ['registry.load("pro\\\nduction")', "production", "pro\\\nduction"],
    ['registry.load("\u{1F600}pro")', "\u{1F600}pro", "\u{1F600}pro"],
    ['x = "\u{1F600}\ud800"; registry.load("production")', "production", "production"],
  ];
  test.each(written)("%s", async (code, text, slice) => {
    for (const whole of [
      code,
      `\ufeff${code}`,
      `# a\r\n\tx\r\n${code}\r\n`,
      `"""a\nregistry.load("b")\n"""\n${code}`,
    ]) {
      const { references } = await opened("python", whole).outline();
      const certain = references.filter((one) => one.certain);
      expect(certain.map((one) => one.text)).toEqual([text]);
      expect(certain.map(({ span }) => whole.slice(span.from, span.to))).toEqual([slice]);
    }
  });

  test("a comment tells where a pinned hash came from", async () => {
    const code = `registry.load("${HASH}")  # pipekit: production@7
registry.load("${HASH}")
A = "${HASH}"  # pipekit: candidate@1  
registry.load("${HASH}")  # pipekit: two words@
`;
    expect(await referencesIn("python", code)).toEqual([
      `model ${HASH} pinned from production@7`,
      `model ${HASH}`,
      `model? ${HASH} pinned from candidate@1`,
      `model ${HASH}`,
    ]);
  });
});

test("calls that a lens stands over", async () => {
  const code = `${IMPORT}NAME = "night"
with pe.start_run("train", config={}) as run:
    registry.load("production")
pe.start_run(name=NAME)
pe.start_run()
registry.store(op, name="candidate")
registry.load_weights(ref)
LogToExperiment(tracker, run_name="digits")
PipekitLogger("lit")
json.load("a")
tracker.start_run("own")
`;
  expect(await callsIn("python", code)).toEqual([
    "start_run pe.start_run train",
    "load registry.load production",
    "start_run pe.start_run night",
    "start_run pe.start_run -",
    "store registry.store candidate",
    "load registry.load_weights -",
    "start_run LogToExperiment digits",
    "start_run PipekitLogger lit",
    "start_run tracker.start_run own",
  ]);
});

describe("what may be typed", () => {
  const rest = '\nx = 1\ndef f():\n    registry.load("a")\n';
  const cases: readonly [marked: string, slot: string | undefined][] = [
    ['registry.load("pro|', 'model "pro" of "pro"'],
    ['registry.load("|', 'model "" of ""'],
    ['registry.load("|")', 'model "" of ""'],
    ['registry.load("pro|duction")', 'model "pro" of "production"'],
    ['registry.load("pro|)', 'model "pro" of "pro"'],
    ['registry.load("pro|d, trust=["a"])', 'model "pro" of "prod"'],
    ['registry.tag(h, "pro|', 'tag "pro" of "pro"'],
    ['registry.tag(h, name="|', 'tag "" of ""'],
    [`pe.LocalModelRegistry("/srv").load('pro|`, 'model "pro" of "pro" in local:/srv'],
    ['pe.join_run("01|', 'run "01" of "01"'],
    ['pe.start_run("a", sinks=["|', 'sink "" of ""'],
    ['pe.start_run("a", sinks=["mlflow", "ten|"])', 'sink "ten" of "ten"'],
    ['pe.start_run("a", sinks="wandb|")', 'sink "wandb" of "wandb"'],
    ['LocalModelRegistry("|', 'registry "" of ""'],
    ['ModelRef("a", registry="s3:|', 'registry "s3:" of "s3:"'],
    ['registry.load("""pro|', 'model "pro" of "pro"'],
    ['json.load("pro|', undefined],
    ['print("pro|', undefined],
    ["registry.load(|)", undefined],
  ];
  test.each(cases)("%s", async (marked, slot) => {
    expect(await slotIn("python", marked)).toEqual(slot);
    if (marked.includes('"""')) return;
    const place = (text: string | undefined) => text?.replace(/ in .*/, "");
    for (const around of [
      `${marked}${rest}`,
      `def g(self):\n    y = 2\n    ${marked}\n    return y\n${rest}`,
    ]) {
      expect(place(await slotIn("python", around)), around).toEqual(place(slot));
    }
  });

  test("a string that is being typed spoils nothing behind it", async () => {
    const code = `${IMPORT}registry = pe.LocalModelRegistry("/a")
def f():
    registry.load("pro
    registry.load("one")
    x = registry.load(
def g():
    registry.load("two")
registry.load("three
registry.load("four")
`;
    expect(await certainIn("python", code)).toEqual(
      ["one", "two", "four"].map((ref) => `model ${ref} in local:/a`),
    );
  });
});

test("a registry with a name of a hundred thousand slashes is none, and takes no time", async () => {
  const text = `${IMPORT}pe.S3ModelRegistry("b", "a${"/".repeat(300_000)}a").load("production")\n`;
  expect(await certainIn("python", text)).toEqual(["model production"]);
});
