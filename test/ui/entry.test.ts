/** How a real browser comes in, and what a stranger's page in the same browser can do. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { serveUi, type UiOptions } from "../../daemon/ui/index.ts";
import { browserMissing, openBrowser } from "../support/browser.ts";
import { fakeView } from "./fake-view.ts";

const PAGE: UiOptions["page"] = new Map([
  [
    "index.html",
    Buffer.from("<!doctype html><link rel=icon href=data:,><script src=page.js defer></script><h1></h1>"),
  ],
  [
    "page.js",
    Buffer.from(`
      new EventSource("events").addEventListener("session", async ({ data }) => {
        const body = JSON.stringify({ ...JSON.parse(data), method: "echo", params: "heard" });
        const answer = await fetch("request", { method: "POST", headers: { "content-type": "application/json" }, body });
        document.querySelector("h1").textContent = (await answer.json()).result.params;
      });`),
  ],
]);

/** Another server of this machine, whose page is this HTML. */
async function stranger(html: string) {
  const server = createServer((_request, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(`<!doctype html><link rel=icon href=data:,>${html}`);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

async function servedUi() {
  const fake = fakeView();
  const ui = await serveUi({ view: fake.view, page: PAGE });
  return { ui, fake, [Symbol.asyncDispose]: () => ui.close() };
}

describe.skipIf(browserMissing)("a browser", () => {
  test("comes in by the address, and the token stays neither in the bar nor in the history", async () => {
    await using served = await servedUi();
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(served.ui.newAddress());
    await page.getByRole("heading", { name: "heard" }).waitFor();
    expect(page.url()).toBe(`http://127.0.0.1:${served.ui.port}/`);
    await page.reload();
    await page.getByRole("heading", { name: "heard" }).waitFor();
    expect(await page.evaluate("document.cookie")).toBe("");
    await page.goBack();
    expect(page.url()).toBe("about:blank");
  });

  test("comes in by a link of another site, such as a terminal in a browser", async () => {
    await using served = await servedUi();
    await using other = await stranger(`<a href="${served.ui.newAddress()}">open</a>`);
    await using browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(`http://localhost:${other.port}/`);
    await page.getByRole("link").click();
    await page.getByRole("heading", { name: "heard" }).waitFor();
  });

  test("reads why it may not, in plain words", async () => {
    await using served = await servedUi();
    await using browser = await openBrowser();
    browser.allow(/401/);
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${served.ui.port}/`);
    expect(await page.locator("body").textContent()).toContain("Open the address that `pkx ui` prints");
    await page.goto(`http://127.0.0.1:${served.ui.port}/?token=guess`);
    expect(await page.locator("body").textContent()).toContain("Press n where `pkx ui` runs");
  });

  test.each(["127.0.0.1", "localhost"])(
    "shows a stranger at %s nothing of the page, and does nothing for it",
    async (host) => {
      await using served = await servedUi();
      const { port } = served.ui;
      await using other = await stranger("<title>stranger</title>");
      await using browser = await openBrowser();
      browser.allow(/./);
      const page = await browser.newPage();
      await page.goto(served.ui.newAddress());
      await page.getByRole("heading", { name: "heard" }).waitFor();
      await page.goto(`http://${host}:${other.port}/`);
      await expect.poll(() => served.fake.notify.size).toBe(0);
      const came = await page.evaluate(
        `(async (own) => {
        const outcome = (make) => new Promise((done) => {
          const element = make();
          element.onload = () => done("loaded");
          element.onerror = () => done("failed");
        });
        const add = (tag, change) => document.body.append(Object.assign(document.createElement(tag), change)) ;
        const asked = (init) => fetch(own + "request", { method: "POST", credentials: "include", body: "{}", ...init })
          .then(() => "answered", () => "failed");
        return {
          read: await fetch(own, { credentials: "include" }).then(() => "read", () => "failed"),
          json: await asked({ headers: { "content-type": "application/json" } }),
          text: await asked({}),
          opaque: await fetch(own + "page.js", { mode: "no-cors", credentials: "include" }).then(() => "read", () => "failed"),
          script: await outcome(() => {
            const script = Object.assign(document.createElement("script"), { src: own + "page.js" });
            document.head.append(script);
            return script;
          }),
          events: await outcome(() => {
            const source = new EventSource(own + "events", { withCredentials: true });
            source.addEventListener("session", () => source.onload());
            return source;
          }),
        };
      })("http://127.0.0.1:${port}/")`,
      );
      expect(came).toEqual({
        read: "failed",
        json: "failed",
        text: "failed",
        opaque: "failed",
        script: "failed",
        events: "failed",
      });
      expect(served.fake.notify.size).toBe(0);
      await page.setContent(`<iframe src="http://127.0.0.1:${port}/"></iframe>`);
      await expect.poll(() => page.frames()[1]?.url()).toContain("chrome-error");
    },
  );
});
