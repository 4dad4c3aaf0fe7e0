import { createServer } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { browserCommand, serveUi, type Ui } from "../../daemon/ui/index.ts";
import { type FakeView, fakeView } from "./fake-view.ts";
import { type Answer, ask, askRaw, letIn, openEvents } from "./http.ts";

const PAGE = new Map([["index.html", Buffer.from("<!doctype html><title>page</title>")]]);
const MOST_BODY = 2 ** 20;
let fake: FakeView;
let ui: Ui;
let cookie = "";

beforeAll(async () => {
  fake = fakeView();
  ui = await serveUi({ view: fake.view, page: PAGE });
});
beforeEach(async () => {
  cookie = await letIn(ui.newAddress());
});
afterAll(() => ui.close());

function post(body: string | Buffer, headers: { [name: string]: string } = {}): Promise<Answer> {
  const origin = `http://127.0.0.1:${ui.port}`;
  return ask(ui.port, "/request", {
    method: "POST",
    headers: { cookie, origin, "content-type": "application/json", ...headers },
    body,
  });
}

const call = (session: string, method: string, params: unknown = {}) =>
  JSON.stringify({ session, method, params });

/** Status, and the field that is named. */
function verdict({ status, text }: Answer): [number, string] {
  return [status, JSON.parse(text).error.field];
}

describe("requests", () => {
  test("are answered with a result, or with a typed error, and 200 either way", async () => {
    await using events = await openEvents(ui.port, cookie);
    const echo = await post(call(events.session, "echo", { runs: ["é", 1] }));
    expect([echo.status, JSON.parse(echo.text)]).toEqual([200, { result: { params: { runs: ["é", 1] } } }]);
    const failed = await post(call(events.session, "fail"));
    expect([failed.status, JSON.parse(failed.text)]).toEqual([
      200,
      { error: { code: "TAG_CONFLICT", message: "It moved.", field: "tag", mend: "Look again." } },
    ]);
    const broken = await post(call(events.session, "break"));
    expect(JSON.parse(broken.text)).toEqual({
      error: { code: "INTERNAL", message: "broken", field: "", mend: "" },
    });
  });

  test("end when who asked goes away", async () => {
    await using events = await openEvents(ui.port, cookie);
    const body = call(events.session, "slow");
    const socket = connect(ui.port, "127.0.0.1");
    socket.write(
      `POST /request HTTP/1.1\r\nHost: 127.0.0.1:${ui.port}\r\nOrigin: http://127.0.0.1:${ui.port}\r\n` +
        `Cookie: ${cookie}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    // The same connection has carried the request once another one is answered.
    await expect.poll(async () => (await post(call(events.session, "echo"))).status).toBe(200);
    socket.destroy();
    await expect.poll(() => fake.aborted).toEqual(["slow"]);
  });

  test.each<[string, string | Buffer, { [name: string]: string }, [number, string]]>([
    ["no JSON", "{", {}, [400, "body"]],
    ["nothing", "", {}, [400, "body"]],
    ["not UTF-8", Buffer.from(call("a", "b\xff"), "latin1"), {}, [400, "body"]],
    ["a list", "[]", {}, [400, "body"]],
    ["a field too many", '{"session":"a","method":"b","params":{},"more":1}', {}, [400, "body"]],
    ["a method that is no text", '{"session":"a","method":{},"params":{}}', {}, [400, "method"]],
    ["a session that is not open", call("nobody", "echo"), {}, [410, "session"]],
    ["a form's text", call("a", "echo"), { "content-type": "text/plain" }, [415, "Content-Type"]],
    ["compressed", call("a", "echo"), { "content-encoding": "gzip" }, [415, "Content-Encoding"]],
    ["a length too large", "", { "content-length": String(MOST_BODY + 1) }, [413, "body"]],
    ["too large in pieces", "x".repeat(MOST_BODY + 1), { "transfer-encoding": "chunked" }, [413, "body"]],
  ])("%s is refused", async (_name, body, headers, expected) => {
    expect(verdict(await post(body, headers))).toEqual(expected);
  });

  test("a body of just under a mebibyte is taken", async () => {
    await using events = await openEvents(ui.port, cookie);
    const params = { text: "x".repeat(MOST_BODY - 200) };
    expect((await post(call(events.session, "echo", params))).status).toBe(200);
  });
});

describe("paths and methods", () => {
  test.each([
    "//",
    "/../index.html",
    "/..%2findex.html",
    "/%2e%2e/index.html",
    "/index.html/",
    "/./index.html",
    "/INDEX.HTML",
    "/index.html%00",
    "/%",
    "/__proto__",
    "/constructor",
    "//127.0.0.1/index.html",
    "http://127.0.0.1/index.html",
    "*",
  ])("%s leads nowhere", async (path) => {
    const answer = await ask(ui.port, path, { headers: { cookie } });
    expect(verdict(answer)).toEqual([404, "path"]);
  });

  test.each([
    ["PUT", "/", "GET, HEAD"],
    ["OPTIONS", "/request", "POST"],
    ["GET", "/request", "POST"],
    ["HEAD", "/events", "GET"],
    ["TRACE", "/events", "GET"],
  ])("%s %s is told what is taken", async (method, path, allowed) => {
    const origin = `http://127.0.0.1:${ui.port}`;
    const answer = await ask(ui.port, path, { method, headers: { cookie, origin } });
    expect([answer.status, answer.headers.allow]).toEqual([405, allowed]);
  });

  test("HEAD is answered as GET, without the content", async () => {
    const answer = await ask(ui.port, "/index.html", { method: "HEAD", headers: { cookie } });
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect(answer.headers["content-length"]).toBe(String(PAGE.get("index.html")?.length));
  });
});

describe("what is no HTTP", () => {
  const host = () => `Host: 127.0.0.1:${ui.port}\r\n`;
  test.each<[string, () => string | Buffer, RegExp]>([
    ["noise", () => Buffer.from([0, 1, 2, 255, 254, 10, 10]), /^HTTP\/1\.1 400 .*\{"error":/s],
    ["TLS", () => Buffer.from("1603010200010001fc0303", "hex"), /^HTTP\/1\.1 400 /],
    ["no host", () => "GET / HTTP/1.1\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["HTTP 1.0 without a host", () => "GET / HTTP/1.0\r\n\r\n", /^HTTP\/1\.1 403 .*"Host"/s],
    [
      "two lengths",
      () => `POST /request HTTP/1.1\r\n${host()}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      "a length and chunks",
      () =>
        `POST /request HTTP/1.1\r\n${host()}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      "huge headers",
      () => `GET / HTTP/1.1\r\n${host()}X: ${"x".repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 .*\{"error":/s,
    ],
    ["CONNECT", () => `CONNECT 127.0.0.1:22 HTTP/1.1\r\n${host()}\r\n`, /^$|^HTTP\/1\.1 4/],
  ])("%s is answered, and the next one is served", async (_name, bytes, expected) => {
    expect(await askRaw(ui.port, bytes())).toMatch(expected);
    expect((await ask(ui.port, "/", { headers: { cookie } })).status).toBe(200);
  });

  test("an upgrade is refused like any other path", async () => {
    const headers = { cookie, connection: "upgrade", upgrade: "websocket" };
    expect((await ask(ui.port, "/nowhere", { headers })).status).toBe(404);
  });

  test("one that only begins is cut off", { timeout: 30_000 }, async () => {
    const began = performance.now();
    const [half, silent] = await Promise.all([
      askRaw(ui.port, `GET / HTTP/1.1\r\n${host()}X: `),
      askRaw(ui.port, ""),
    ]);
    expect(half).toMatch(/^HTTP\/1\.1 408 /);
    expect(silent).toMatch(/^HTTP\/1\.1 408 |^$/);
    expect(performance.now() - began).toBeLessThan(20_000);
  });
});

describe("streams", () => {
  test("carry what is told, and end their session with them", async () => {
    const events = await openEvents(ui.port, cookie);
    expect([ui.pages, fake.notify.size]).toEqual([1, 1]);
    for (const tell of fake.notify) tell("pipekit/runStatus", { runs: [], all: true });
    await expect
      .poll(() => events.notifications)
      .toEqual([{ method: "pipekit/runStatus", params: { runs: [], all: true } }]);
    await events[Symbol.asyncDispose]();
    await expect.poll(() => [ui.pages, fake.notify.size]).toEqual([0, 0]);
    expect(verdict(await post(call(events.session, "echo")))).toEqual([410, "session"]);
  });

  test("a page that does not read is cut off before memory grows", async () => {
    await using events = await openEvents(ui.port, cookie);
    events.pause();
    const [tell] = fake.notify;
    const before = process.memoryUsage().rss;
    const points = "x".repeat(2 ** 20);
    for (let i = 0; i < 200 && fake.notify.size > 0; i++) {
      tell?.("pipekit/points", points as never);
      await new Promise(setImmediate);
    }
    expect(fake.notify.size).toBe(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(120 * 2 ** 20);
  });

  test("one large message goes to a page that reads", async () => {
    await using events = await openEvents(ui.port, cookie);
    for (const tell of fake.notify) tell("pipekit/points", "x".repeat(20 * 2 ** 20) as never);
    await expect.poll(() => events.notifications.length).toBe(1);
    expect(fake.notify.size).toBe(1);
  });

  test("a browser has five at most", async () => {
    const open = await Promise.all(Array.from({ length: 5 }, () => openEvents(ui.port, cookie)));
    await expect(openEvents(ui.port, cookie)).rejects.toThrow("status 429");
    await open[0]?.[Symbol.asyncDispose]();
    await expect.poll(() => ui.pages).toBe(4);
    open.push(await openEvents(ui.port, cookie));
    await Promise.all(open.map((events) => events[Symbol.asyncDispose]()));
    await expect.poll(() => ui.pages).toBe(0);
  });

  test("end when the server closes, which waits for nobody", async () => {
    const own = fakeView();
    const other = await serveUi({ view: own.view, page: PAGE });
    const events = await openEvents(other.port, await letIn(other.newAddress()));
    await other.close();
    await events.ended;
    expect(own.notify.size).toBe(0);
  });
});

test("a port that is taken is told with what to do", async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
  const { port } = other.address() as { port: number };
  await expect(serveUi({ view: fake.view, page: PAGE, port })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    field: "port",
    message: `Port ${port} cannot be had: EADDRINUSE.`,
  });
  await new Promise((done) => other.close(done));
});

test("a browser is opened only where its window can be seen", () => {
  expect(browserCommand({ DISPLAY: ":0" }, "linux")).toBe("xdg-open");
  expect(browserCommand({ WAYLAND_DISPLAY: "wayland-0" }, "linux")).toBe("xdg-open");
  expect(browserCommand({}, "linux")).toBeUndefined();
  expect(browserCommand({}, "darwin")).toBe("open");
  expect(browserCommand({ DISPLAY: ":10", SSH_CONNECTION: "a" }, "linux")).toBeUndefined();
});
