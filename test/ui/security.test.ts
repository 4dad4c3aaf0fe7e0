import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { serveUi, type Ui } from "../../daemon/ui/index.ts";
import { TOKEN_LIFE_MS } from "../../daemon/ui/secrets.ts";
import { type FakeView, fakeView } from "./fake-view.ts";
import { ask, askRaw, letIn, openEvents, type Question } from "./http.ts";

const PAGE = new Map([
  ["index.html", Buffer.from("<!doctype html><title>page</title>")],
  ["page.js", Buffer.from("// page")],
]);
let nowMs = 0;
let fake: FakeView;
let ui: Ui;
let cookie = "";

beforeAll(async () => {
  fake = fakeView();
  ui = await serveUi({ view: fake.view, page: PAGE, now: () => nowMs });
});
beforeEach(async () => {
  cookie = await letIn(ui.newAddress());
});
afterAll(() => ui.close());

const origin = () => `http://127.0.0.1:${ui.port}`;

/** A request of the page itself, with changes. */
function own(method: string, params: unknown, session: string, change: Question["headers"] = {}): Question {
  return {
    method: "POST",
    headers: { cookie, origin: origin(), "content-type": "application/json", ...change },
    body: JSON.stringify({ session, method, params }),
  };
}

/** The field that a refusal names. */
async function refused(path: string, question: Question): Promise<[number, string]> {
  const answer = await ask(ui.port, path, question);
  const { error } = JSON.parse(answer.text) as { error: { code: string; field: string; message: string } };
  expect(error.code).toBe("INVALID_ARGUMENT");
  expect(error.message).not.toBe("");
  return [answer.status, error.field];
}

describe("the one-time token", () => {
  test("lets in once, by a cookie that scripts and other sites do not get", async () => {
    const { pathname, search } = new URL(ui.newAddress());
    const first = await ask(ui.port, pathname + search);
    expect(first.status).toBe(200);
    expect(first.headers["refresh"]).toBe("0; url=/");
    expect(first.headers["set-cookie"]).toEqual([
      expect.stringMatching(
        new RegExp(`^pipekit-ui-${ui.port}=[\\w-]{43}; Path=/; HttpOnly; SameSite=Strict$`),
      ),
    ]);
    const second = await ask(ui.port, pathname + search, { headers: { "sec-fetch-mode": "navigate" } });
    expect(second.status).toBe(401);
    expect(second.headers["set-cookie"]).toBeUndefined();
    expect(second.text).toMatch(/used already.*\n.*run it again/);
  });

  test("stays used when many others were used since", async () => {
    const others = Array.from({ length: 15 }, () => ui.newAddress());
    const address = ui.newAddress();
    for (const next of [address, ...others]) await letIn(next);
    await letIn(ui.newAddress());
    await expect(letIn(address)).rejects.toThrow("401");
  });

  test("has 256 bits and is another each time", () => {
    const tokens = Array.from({ length: 4 }, () => new URL(ui.newAddress()).searchParams.get("token") ?? "");
    expect(new Set(tokens).size).toBe(4);
    for (const token of tokens) expect(Buffer.from(token, "base64url")).toHaveLength(32);
  });

  test("dies after ten minutes", async () => {
    const early = new URL(ui.newAddress());
    const late = new URL(ui.newAddress());
    nowMs += TOKEN_LIFE_MS;
    expect((await ask(ui.port, `/${early.search}`)).status).toBe(200);
    nowMs += 1;
    const answer = await ask(ui.port, `/${late.search}`);
    expect(answer.status).toBe(401);
    expect(answer.text).toContain("older than ten minutes");
  });

  test.each(["", "x", "%00", "a".repeat(4000)])("%# a guess lets nobody in", async (guess) => {
    expect(await refused(`/?token=${guess}`, {})).toEqual([401, "token"]);
  });

  test.each([
    ["HEAD", { method: "HEAD" }, 405],
    ["POST", { method: "POST" }, 405],
    ["a look ahead", { headers: { "sec-purpose": "prefetch;prerender" } }, 503],
    ["a name that was made to point here", { headers: { host: "evil.example" } }, 403],
  ])("is not used up by %s", async (_name, question, status) => {
    const { search } = new URL(ui.newAddress());
    expect((await ask(ui.port, `/${search}`, question)).status).toBe(status);
    expect((await ask(ui.port, `/${search}`)).status).toBe(200);
  });
});

describe("who may ask", () => {
  test.each(["/", "/page.js", "/events", "/request", "/nowhere"])(
    "%s: nobody without the cookie",
    async (path) => {
      const method = path === "/request" ? "POST" : "GET";
      const headers = { origin: origin() };
      expect(await refused(path, { method, headers })).toEqual([401, "Cookie"]);
      const wrong = { ...headers, cookie: `pipekit-ui-${ui.port}=${"a".repeat(43)}` };
      expect(await refused(path, { method, headers: wrong })).toEqual([401, "Cookie"]);
    },
  );

  test.each(["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", "[::1]"])(
    "no name but this machine's: %s",
    async (host) => {
      expect(await refused("/", { headers: { cookie, host } })).toEqual([403, "Host"]);
    },
  );

  test("localhost at the port is this machine", async () => {
    expect((await ask(ui.port, "/", { headers: { cookie, host: `localhost:${ui.port}` } })).status).toBe(200);
  });

  test.each(["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"])(
    "no page of another origin: %s",
    async (other) => {
      expect(await refused("/request", own("echo", {}, "x", { origin: other }))).toEqual([403, "Origin"]);
      expect(await refused("/events", { headers: { cookie, origin: other } })).toEqual([403, "Origin"]);
    },
  );

  test("a request that changes something tells its origin", async () => {
    const { headers, ...rest } = own("echo", {}, "x");
    const { origin: _, ...others } = headers ?? {};
    expect(await refused("/request", { ...rest, headers: others })).toEqual([403, "Origin"]);
  });

  test.each(["cross-site", "same-site"])("no page of another port or site: %s", async (site) => {
    const change = { "sec-fetch-site": site };
    expect(await refused("/request", own("echo", {}, "x", change))).toEqual([403, "Sec-Fetch-Site"]);
    expect(await refused("/", { headers: { cookie, ...change } })).toEqual([403, "Sec-Fetch-Site"]);
  });

  test("a session belongs to the browser that opened it", async () => {
    await using events = await openEvents(ui.port, cookie);
    cookie = await letIn(ui.newAddress());
    expect(await refused("/request", own("echo", {}, events.session))).toEqual([410, "session"]);
  });
});

describe("every answer", () => {
  test.each([
    ["/", 200],
    ["/page.js", 200],
    ["/nowhere", 404],
    ["/events?", 200],
  ])("%s keeps the page to itself", async (path, status) => {
    const headers = { cookie };
    const answer = path.startsWith("/events")
      ? { status, headers: await headersOfStream(path) }
      : await ask(ui.port, path, { headers });
    expect(answer.status).toBe(status);
    expect(answer.headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
    });
    const policy = String(answer.headers["content-security-policy"]);
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ])
      expect(policy).toContain(rule);
    expect(policy).not.toMatch(/unsafe|\*|http/);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  async function headersOfStream(path: string): Promise<{ [name: string]: string }> {
    const raw = askRaw(
      ui.port,
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${ui.port}\r\nCookie: ${cookie}\r\n\r\n`,
      "event: session",
    );
    const lines = (await raw).split("\r\n\r\n")[0]?.split("\r\n").slice(1) ?? [];
    return Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        line.slice(line.indexOf(":") + 2),
      ]),
    );
  }
});
