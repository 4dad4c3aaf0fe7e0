/**
 * The language server and the page's server, real processes before a real daemon: whatever an editor, a workspace's files or a
 * browser's page send, each request is answered by what somebody foresaw, and both go on.
 */
import { randomBytes } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { type Client, connect } from "@pipekit/experiment";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { TestEditor } from "../support/editor-client.ts";
import { memoryOf } from "../support/memory.ts";
import { ask, type Events, letIn, openEvents } from "../ui/http.ts";
import { type ServedUi, startUi } from "../ui/served.ts";
import { mutated, mutatedText } from "./bytes.ts";
import { fuzz, PATIENCE_MS } from "./campaign.ts";
import { editorCalls, editorSteps, RUN_ID } from "./editor-input.ts";

const options = { timeout: PATIENCE_MS };
/**
 * Milliseconds within which anything must be answered: a request that hangs fails its run. A broken statement is parsed for
 * 10 s at most, in slices.
 */
const ANSWER_MS = 40_000;
const MOST_MEMORY = 700 * 2 ** 20;

let daemon: TestDaemon;
let client: Client;
beforeAll(async () => {
  daemon = await startDaemon();
  client = await connect({ endpoint: daemon.endpoint });
  const operator = { module: "nets", class: "Digits", config: {} };
  await client.registry().store({ operator, weights: randomBytes(1000), name: "production", actor: "ada" });
  const run = await client.startRun({ name: "digits", runId: RUN_ID });
  run.log({ loss: 0.5 }, 1);
  await run.end();
});
afterAll(async () => {
  client.close();
  await daemon.stop();
});

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
  await fuzz("language server", 12, fc.array(editorSteps, { minLength: 1, maxLength: 4 }), async (all) => {
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
    expect(memoryOf(editor.child.pid ?? 0, "VmHWM")).toBeLessThan(MOST_MEMORY);
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
