import { rmSync } from "node:fs";
import { connect } from "@pipekit/experiment";
import { PipekitError } from "@pipekit/proto";
import type { DaemonDocument } from "@pipekit/proto/editor";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openView, type View, type ViewOptions } from "../../daemon/view/index.ts";
import { pipekitEnv } from "../e2e/demo/processes.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { FakeDaemon } from "../support/fake-daemon.ts";

let home: string;
let view: View | undefined;
const states: string[] = [];

beforeEach(() => {
  home = temporaryHome();
  states.length = 0;
});

afterEach(() => {
  view?.close();
  view = undefined;
  rmSync(home, { recursive: true, force: true });
});

function open(options: ViewOptions): View {
  view = openView(options);
  view.link.onStatus(({ state }) => states.push(state));
  return view;
}

function until(link: View["link"], fits: (status: DaemonDocument) => boolean): Promise<void> {
  return vi.waitFor(() => expect(fits(link.status)).toBe(true), { timeout: 15_000, interval: 5 });
}

test("nothing is looked for before something is asked; then the daemon is started", async () => {
  const { link, ask } = bound(open({ env: pipekitEnv(home) }));
  expect(link.status).toMatchObject({ state: "connecting", editorProtocol: 1, mayChange: true });
  const [status, again] = await Promise.all([ask("pipekit/daemon", {}), ask("pipekit/daemon", {})]);
  expect(status).toMatchObject({ state: "connected", message: "", version: expect.stringMatching(/^\d/) });
  expect(again).toEqual(status);
  await using client = await connect({ env: pipekitEnv(home), start: false });
  expect(status.endpoint).toBe((await client.status()).endpoint);
  await client.shutdown();
});

test("who stops the daemon means it: it is not started again until something is asked", async () => {
  const env = pipekitEnv(home);
  const { link, ask } = bound(open({ env }));
  await ask("pipekit/runs", {});
  await using client = await connect({ env, start: false });
  const { pid } = client.daemon;
  await client.shutdown();
  await until(link, ({ state }) => state === "unavailable");
  // The index, that is kept up to date, and looks in the background went on meanwhile.
  await new Promise((done) => setTimeout(done, 700));
  await expect(connect({ env, start: false })).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
  await ask("pipekit/tags", {});
  expect(link.status.state).toBe("connected");
  await using next = await connect({ env, start: false });
  expect(next.daemon.pid).not.toBe(pid);
  await next.shutdown();
});

test("where none may be started requests fail at once, and one that comes is found", async () => {
  const daemon = await startDaemon({ home });
  await daemon.kill9();
  const { link, ask } = bound(open({ env: daemon.clientEnv, start: false }));
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: 50 }, () =>
      expect(ask("pipekit/run", { runId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" })).rejects.toMatchObject({
        code: "DAEMON_UNAVAILABLE",
        mend: expect.stringContaining("pkx serve"),
      }),
    ),
  );
  expect(performance.now() - begun).toBeLessThan(5_000);
  expect(link.status).toMatchObject({ state: "unavailable", mend: expect.stringContaining("pkx serve") });
  const anew = await startDaemon({ home });
  await until(link, ({ state }) => state === "connected");
  expect(states).toEqual(["unavailable", "connected"]);
  await anew.stop();
});

test("a daemon of another protocol version is told apart, and its successor is found", async () => {
  const fake = await new FakeDaemon().start();
  fake.hello = () => {
    throw new PipekitError("PROTOCOL_MISMATCH", "The client speaks 1, this daemon 7.", {
      mend: "Update it.",
    });
  };
  const { link, ask } = bound(open({ endpoint: fake.endpoint }));
  expect(await ask("pipekit/daemon", {})).toMatchObject({
    state: "incompatible",
    message: "The client speaks 1, this daemon 7.",
    mend: "Update it.",
  });
  await expect(ask("pipekit/runs", {})).rejects.toMatchObject({ code: "PROTOCOL_MISMATCH" });
  fake.hello = () => undefined;
  await until(link, ({ state }) => state === "connected");
  fake.remove();
});

test("an endpoint or folder that cannot be used is told, not thrown at whoever watches", async () => {
  const { ask } = bound(open({ endpoint: "nonsense" }));
  expect(await ask("pipekit/daemon", {})).toMatchObject({
    state: "unavailable",
    mend: expect.stringContaining("socket"),
  });
  await expect(ask("pipekit/tags", {})).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "endpoint",
  });
});

test("who no longer waits is let go, and a closed view says so", async () => {
  const { link, ask } = bound(open({ env: pipekitEnv(home) }));
  const cancelled = AbortSignal.abort(new Error("not any more"));
  await expect(ask("pipekit/runs", {}, cancelled)).rejects.toThrow("not any more");
  expect(link.status.state).toBe("connecting");
  view?.close();
  await expect(ask("pipekit/runs", {})).rejects.toMatchObject({ code: "DAEMON_UNAVAILABLE" });
});

function bound(opened: View) {
  return { link: opened.link, ask: opened.ask.bind(opened) };
}
