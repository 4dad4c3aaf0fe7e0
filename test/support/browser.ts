/**
 * A real chromium for tests, headless, driven by playwright-core, cut off from the network. What a person must never
 * see fails the test that closes it: errors in the console (violations of the content security policy are among
 * them), uncaught errors, and requests to any host but this one.
 */
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { CHROMIUM, findProgram, missing } from "./programs.ts";

const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);
/** Schemes that leave the page without a network. */
const LOCAL_SCHEMES = new Set(["data:", "blob:", "about:", "vscode-webview:"]);

/** Why tests that need a browser are skipped; undefined where they are not: `describe.skipIf(browserMissing)`. */
export const browserMissing: string | undefined = missing(CHROMIUM);

export interface BrowserOptions {
  readonly context?: BrowserContextOptions;
  /** More arguments for chromium. */
  readonly args?: readonly string[];
}

/** A browser under test with one profile. `await using` closes it, and throws when there were problems. */
export interface TestBrowser extends AsyncDisposable {
  readonly context: BrowserContext;
  newPage(): Promise<Page>;
  /** What went wrong so far and was not allowed, each a line. */
  problems(): readonly string[];
  /** Problems that a test makes on purpose, such as those of a daemon that it kills. */
  allow(problem: RegExp): void;
  /** Closes it. Throws when there were problems. */
  close(): Promise<void>;
}

/** Starts chromium. Throws where there is none. */
export async function openBrowser(options: BrowserOptions = {}): Promise<TestBrowser> {
  const executablePath = findProgram(CHROMIUM);
  if (executablePath === undefined) throw new Error(browserMissing);
  const browser = await chromium.launch({
    executablePath,
    args: [
      // The sandbox of chromium refuses to run as root, as CI does.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-dev-shm-usage",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
      ...(options.args ?? []),
    ],
  });
  const context = await browser.newContext({ locale: "en-US", ...options.context });
  const found: string[] = [];
  const allowed: RegExp[] = [];
  context.on("console", (message) => {
    if (message.type() !== "error") return;
    const { url, lineNumber } = message.location();
    found.push(`console: ${message.text()} (${url}:${lineNumber})`);
  });
  context.on("weberror", (error) => found.push(`uncaught: ${error.error().stack ?? error.error().message}`));
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (LOCAL_SCHEMES.has(url.protocol) || LOOPBACK.has(url.hostname)) return;
    found.push(`request to another host: ${request.method()} ${url.href}`);
  });
  const problems = () => found.filter((line) => !allowed.some((pattern) => pattern.test(line)));
  let closed: Promise<void> | undefined;
  const close = async () => {
    closed ??= browser.close();
    await closed;
    if (problems().length > 0) throw new Error(`The browser saw problems:\n${problems().join("\n")}`);
  };
  return {
    context,
    newPage: () => context.newPage(),
    problems,
    allow: (problem) => void allowed.push(problem),
    close,
    [Symbol.asyncDispose]: close,
  };
}
