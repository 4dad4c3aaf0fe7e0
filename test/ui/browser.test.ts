import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { browserMissing, openBrowser } from "../support/browser.ts";

/** Serves one HTML text on loopback. */
async function serving(html: string) {
  const server = createServer((_request, answer) => {
    answer.setHeader(
      "Content-Security-Policy",
      "default-src 'none'; script-src 'unsafe-inline'; connect-src *",
    );
    answer.setHeader("Content-Type", "text/html");
    answer.end(html);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

describe.skipIf(browserMissing)("the browser of the tests", () => {
  test.each([
    ["an error in the console", "<script>console.error('spoilt')</script>", /console: spoilt/],
    ["an uncaught error", "<script>throw new Error('thrown')</script>", /uncaught: .*thrown/],
    ["a violation of the policy", "<style>p { color: red }</style>", /console: .*Content Security Policy/],
    [
      "a request to another host",
      "<script>fetch('http://elsewhere.example/x').catch(() => {})</script>",
      /another host: GET http:\/\/elsewhere\.example\/x/,
    ],
  ])("%s fails the test that closes it", async (_name, html, problem) => {
    await using server = await serving(html);
    const browser = await openBrowser();
    const page = await browser.newPage();
    await page.goto(server.url);
    await expect.poll(() => browser.problems().join("\n")).toMatch(problem);
    await expect(browser.close()).rejects.toThrow(problem);
  });

  test("a clean page closes without a word, and so does what was allowed", async () => {
    await using server = await serving("<p>hello</p>");
    await using browser = await openBrowser();
    browser.allow(/on purpose/);
    const page = await browser.newPage();
    await page.goto(server.url);
    await page.evaluate("console.error('on purpose')");
    expect(await page.locator("p").textContent()).toBe("hello");
    expect(browser.problems()).toEqual([]);
  });
});
