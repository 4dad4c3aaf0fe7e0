/** What editors, workspaces and pages send, right and wrong. */
import { EDITOR_PARAMS } from "@pipekit/proto/editor";
import fc from "fast-check";
import { framed } from "../support/editor-client.ts";
import { mutatedText } from "./bytes.ts";
import { hostileYaml } from "./hostile-yaml.ts";

/** A run that is there. */
export const RUN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

const word = fc.oneof(
  fc.constantFrom(
    "",
    "production",
    "production@1",
    "production~1",
    "default",
    "0123abcd",
    "../..",
    "__proto__",
    "file:///w/a.py",
    "x".repeat(5000),
    "\0",
    "\ud800",
    "local:relative",
    "s3://b/",
    RUN_ID,
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const number = fc.oneof(fc.constantFrom(0, -1, 1, 0.5, 1e9, 2 ** 31, 2 ** 53, 1e308, -0), fc.integer());
const any = fc.oneof(
  { arbitrary: word, weight: 3 },
  number,
  fc.constantFrom(null, true, [], {}, [null], [{}]),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Calls of the editor protocol: params as their schema has them, some of other types. */
export const editorCalls = fc.constantFrom(...Object.entries(EDITOR_PARAMS)).chain(([method, schema]) => {
  const fields = Object.keys(schema.shape);
  const value = (name: string) =>
    /limit|max|step/i.test(name)
      ? fc.oneof(number, any)
      : /ids|keys|series/.test(name)
        ? fc.oneof(fc.array(fc.oneof(word, number), { maxLength: 4 }), any)
        : fc.oneof({ arbitrary: word, weight: 4 }, any);
  const params = fc.record(Object.fromEntries(fields.map((name) => [name, value(name)])), {
    requiredKeys: [],
  });
  return fc
    .oneof({ arbitrary: params, weight: 5 }, any)
    .map((made) => ({ method: method as string, params: made as unknown }));
});

const PYTHON = [
  'from pipekit_experiment import registry\nm = registry.load("production")\nn = registry.load(f"a{m}")\n',
  'import pipekit_experiment as p\nr = p.registry.Registry("local:/x")\nr.tag("production", ref="production~1")\n"""\n',
];
const SCRIPT = [
  'import { connect } from "@pipekit/experiment";\nconst c = await connect();\nc.registry().load("production");\n',
  'registry.load(`production@${1}`, { ref: "a" })',
];
const YAML = [
  "defaults:\n  - db: mysql\nmodel: production\n_target_: nets.Digits\n",
  "module: nets\nclass: Digits\nconfig: {}\n",
];
const long = fc
  .tuple(
    fc.constantFrom(
      "(",
      "[",
      "{",
      '"',
      "'",
      '"""',
      "f'{",
      "a.",
      "a(",
      "`${",
      "\\\n",
      "\t",
      "#",
      "\r",
      "=>",
      "if x:\n ",
      "é",
    ),
    fc.constantFrom(3, 500, 20_000),
  )
  .map(([part, times]) => part.repeat(times));
const files = fc.oneof(
  fc
    .oneof(
      mutatedText(fc.constantFrom(...PYTHON)),
      fc.tuple(fc.constantFrom(...PYTHON), long).map((all) => all.join("")),
    )
    .map((text) => ({ language: "python", name: "a.py", text })),
  fc
    .oneof(
      mutatedText(fc.constantFrom(...SCRIPT)),
      fc.tuple(fc.constantFrom(...SCRIPT), long).map((all) => all.join("")),
    )
    .map((text) => ({ language: "typescript", name: "a.ts", text })),
  hostileYaml(YAML).map((text) => ({ language: "yaml", name: "conf/a.yaml", text })),
);
const position = fc.record({ line: fc.oneof(fc.nat(5), number), character: fc.oneof(fc.nat(60), number) });
const range = fc.record({ start: position, end: position });
const changes = fc.array(fc.record({ range, text: fc.oneof(word, long) }, { requiredKeys: ["text"] }), {
  maxLength: 3,
});
const HOVER =
  '{"jsonrpc":"2.0","id":7000000,"method":"textDocument/hover","params":{"textDocument":{"uri":"file:///w/a.py"}}}';
const asked = fc.constantFrom(
  "hover",
  "completion",
  "codeAction",
  "inlayHint",
  "documentLink",
  "codeLens",
  "diagnostic",
  "definition",
);
const commands = fc.record({
  command: fc.oneof(
    fc.constantFrom(
      "pipekit.promote",
      "pipekit.rollback",
      "pipekit.showRun",
      "pipekit.showModel",
      "pipekit.none",
    ),
    word,
  ),
  arguments: fc.array(any, { maxLength: 2 }),
});

/** What an editor does: files that it opens, edits and asks about, calls, and what is none. */
export const editorSteps = fc.oneof(
  fc
    .tuple(files, changes, fc.array(fc.tuple(asked, position, range), { maxLength: 4 }))
    .map(([file, edits, requests]) => ({ kind: "file" as const, file, edits, requests })),
  fc.array(editorCalls, { minLength: 1, maxLength: 6 }).map((calls) => ({ kind: "calls" as const, calls })),
  commands.map((command) => ({
    kind: "calls" as const,
    calls: [{ method: "workspace/executeCommand", params: command as unknown }],
  })),
  fc
    .oneof(
      // A length that lies may take what follows with it; test/editor/server-framing.test.ts has those.
      mutatedText(fc.constant(HOVER)).map(framed),
      fc.uint8Array({ maxLength: 99 }).map((it) => Buffer.from(it)),
    )
    .map((bytes) => ({ kind: "bytes" as const, bytes })),
  fc
    .tuple(
      fc.constantFrom(
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
        "workspace/didChangeConfiguration",
        "workspace/didChangeWorkspaceFolders",
        "$/cancelRequest",
        "$/setTrace",
        "initialized",
      ),
      any,
    )
    .map(([method, params]) => ({ kind: "told" as const, method, params })),
);
