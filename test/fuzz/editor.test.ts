/**
 * The language server and the page's server, real processes before a real daemon: whatever an editor, a workspace's files or a
 * browser's page send, each request is answered by what somebody foresaw, and both go on.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { type Client, connect } from "@pipekit/experiment";
import { EDITOR_PARAMS } from "@pipekit/proto/editor";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { framed, TestEditor } from "../support/editor-client.ts";
import { ask, type Events, letIn, openEvents } from "../ui/http.ts";
import { type ServedUi, startUi } from "../ui/served.ts";
import { mutated, mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { hostileYaml } from "./hostile-yaml.ts";

const options = { timeout: PATIENCE_MS };
/**
 * Milliseconds within which anything must be answered: a request that hangs fails its run. A broken statement is parsed for
 * 10 s at most, in slices.
 */
const ANSWER_MS = 40_000;
const MOST_MEMORY = 700 * 2 ** 20;

let daemon: TestDaemon;
let client: Client;
let runId: string;
beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
  const operator = { module: "nets", class: "Digits", config: {} };
  await client.registry().store({ operator, weights: randomBytes(1000), name: "production", actor: "ada" });
  const run = await client.startRun({ name: "digits" });
  run.log({ loss: 0.5 }, 1);
  await run.end();
  runId = run.runId;
});
afterAll(async () => {
  client.close();
  await daemon.stop();
});

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
  ),
  fc.constantFrom("RUN").map(() => runId ?? ""),
  fc.string({ unit: "binary", maxLength: 20 }),
);
const number = fc.oneof(fc.constantFrom(0, -1, 1, 0.5, 1e9, 2 ** 31, 2 ** 53, 1e308, -0), fc.integer());
const any = fc.oneof(
  { arbitrary: word, weight: 3 },
  number,
  fc.constantFrom(null, true, [], {}, [null], [{}]),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Params as a schema has them, some of other types. */
const editorCalls = fc.constantFrom(...Object.entries(EDITOR_PARAMS)).chain(([method, schema]) => {
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

const steps = fc.oneof(
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

/** Rejects when the answer is a failure that nobody foresaw, or when none comes. */
async function foreseen(answer: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error("No answer came.")), ANSWER_MS);
  });
  await Promise.race([answer, late])
    .catch((error: unknown) => {
      const { code, data } = error as { code?: unknown; data?: { code?: string } };
      if (typeof code !== "number" || code === -32603 || data?.code === "INTERNAL") throw error;
    })
    .finally(() => clearTimeout(timer));
}

test("the language server", options, async () => {
  await using editor = new TestEditor({ env: daemon.clientEnv, args: ["--no-start"] });
  await editor.initialize({ initializationOptions: { pipekit: { notifications: true } } });
  let version = 1;
  await fuzz("language server", 12, fc.array(steps, { minLength: 1, maxLength: 4 }), async (all) => {
    for (const step of all) {
      if (step.kind === "bytes") editor.write(step.bytes);
      else if (step.kind === "told")
        await editor.notify(
          step.method,
          typeof step.params === "object" && step.params !== null ? step.params : { a: step.params },
        );
      else if (step.kind === "calls")
        await Promise.all(
          step.calls.map(({ method, params }) => foreseen(editor.request(method, params as object))),
        );
      else {
        const uri = `file:///w/${step.file.name}`;
        await editor.open(uri, step.file.language, step.file.text, version++);
        if (step.edits.length > 0) await editor.change(uri, version++, ...(step.edits as never[]));
        const requests = step.requests.map(([what, at, within]) =>
          foreseen(
            editor.request(`textDocument/${what}`, {
              textDocument: { uri },
              position: at,
              range: within,
              context: { diagnostics: [] },
            }),
          ),
        );
        await Promise.all(requests);
        await editor.close(uri);
      }
    }
    await foreseen(editor.request("pipekit/daemon", {}));
    expect(editor.child.exitCode).toBe(null);
    const [, peak] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${editor.child.pid}/status`, "utf8")) ?? [];
    expect(Number(peak) * 1024).toBeLessThan(MOST_MEMORY);
    editor.forget();
  });
  expect((await editor.shutDown()).code).toBe(0);
});

/** Sends bytes, and waits for some answer, or for so long that a server that waits for more is taken to go on. */
function sentRaw(port: number, bytes: Buffer): Promise<void> {
  return new Promise((done) => {
    const socket = connectTcp(port, "127.0.0.1", () => socket.write(bytes));
    socket.setTimeout(30, () => socket.destroy());
    socket.on("data", () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("close", () => done());
  });
}

test("the page's server", options, async () => {
  const ui: ServedUi = await startUi(daemon, ["--no-start"]);
  const { port } = new URL(ui.address);
  const at = Number(port);
  const cookie = await letIn(ui.address);
  let events: Events = await openEvents(at, cookie);
  const headers = { cookie, origin: ui.origin, "content-type": "application/json" };
  const post = (body: string | Buffer) => ask(at, "/request", { method: "POST", headers, body });
  const bodies = fc.oneof(
    { arbitrary: editorCalls.map((call) => JSON.stringify({ session: "SESSION", ...call })), weight: 5 },
    mutatedText(editorCalls.map((call) => JSON.stringify({ session: "SESSION", ...call }))),
    fc.constantFrom(
      "[".repeat(100_000),
      `{"session":"SESSION","method":"pipekit/run","params":${"[".repeat(50_000)}`,
      '{"__proto__":{}}',
    ),
  );
  const request = "GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: a=b\r\n\r\n";
  const raw = fc.oneof(
    mutated(fc.constant(Buffer.from(request))),
    mutated(fc.constant(Buffer.from(request.replace("GET /events", "POST /request")))),
  );
  await fuzz(
    "page's server",
    12,
    fc.tuple(fc.array(bodies, { minLength: 1, maxLength: 5 }), fc.option(raw)),
    async ([texts, bytes]) => {
      const answers = await Promise.all(texts.map((text) => post(text.replace("SESSION", events.session))));
      for (const { status, text } of answers) {
        expect([200, 400, 410, 413, 415]).toContain(status);
        expect((JSON.parse(text) as { error?: { code: string } }).error?.code).not.toBe("INTERNAL");
      }
      if (bytes !== null) await sentRaw(at, bytes);
      const alive = await post(
        JSON.stringify({ session: events.session, method: "pipekit/daemon", params: {} }),
      );
      if (alive.status === 410) events = await openEvents(at, cookie);
      else expect(alive.status).toBe(200);
    },
  );
  await events[Symbol.asyncDispose]();
  await ui[Symbol.asyncDispose]();
});
