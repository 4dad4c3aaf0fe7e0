import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildExtension } from "../../clients/vscode/build.ts";
import { openBrowser, type TestBrowser } from "../support/browser.ts";
import { type CodeServer, startCodeServer } from "../support/code-server.ts";
import { codeServerMissing } from "../support/programs.ts";
import { textOf, Window } from "./window.ts";
import { metrics, openWorld, type World } from "./world.ts";

const IMAGES = resolve(import.meta.dirname, "../../docs/images");
const missing = codeServerMissing();
if (missing !== undefined) console.error(`SKIPPED: ${missing}`);

let folder: string;
let world: World;
let server: CodeServer;
let browser: TestBrowser;
let window: Window;
let step = 300;

/** What must become so; on a machine that is busy it takes a while. */
const poll = <T>(look: () => T) => expect.poll(look, { timeout: 40_000, interval: 50 });

/** Logs until the test is over, as a training does. */
function training(): Disposable {
  const timer = setInterval(() => world.running.log(metrics(step, 1), step++), 50);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Keeps a picture for the documents, when those are wanted. */
async function picture(name: string): Promise<void> {
  if (process.env["PKX_SCREENSHOTS"] !== "1") return;
  mkdirSync(IMAGES, { recursive: true });
  // What slides in is to be there.
  await window.page.evaluate(
    "Promise.allSettled(document.getAnimations().filter((it) => it.effect.getTiming().iterations === 1).map((it) => it.finished))",
  );
  await window.page.screenshot({ path: join(IMAGES, `${name}.png`) });
}

/** Process of the language server of the extension under test. */
function languageServer(): number {
  const processes = execFileSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).split("\n");
  const line = processes.find((line) => line.includes(world.home) && line.includes("lsp --stdio"));
  return Number.parseInt(line ?? "", 10);
}

describe.skipIf(missing)("VS Code", () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "pkx-"));
    const [extension, opened] = await Promise.all([buildExtension(folder), openWorld()]);
    world = opened;
    server = await startCodeServer({
      home: world.home,
      extension,
      settings: { "pipekit.endpoint": world.daemon.endpoint },
    });
    browser = await openBrowser({ context: { viewport: { width: 1280, height: 800 } } });
    // What code-server itself lacks: native modules that are not built, and files of Microsoft's own build.
    browser.allow(
      /node_modules\/code-server|\/vsda\/|navigator is now a global|authentication provider 'github'/,
    );
    browser.allow(/Long running operations during shutdown are unsupported in the web/);
    browser.allow(/IndexedDB database 'vscode-web-db' is closed/);
    // A setting that a test makes wrong.
    browser.allow(/\/bin\/false is missing or too old/);
    browser.allow(/An unknown error occurred\. Please consult the log/);
    // Files of a webview come by its service worker; the name is never looked up.
    browser.allow(/vscode-resource\.vscode-cdn\.net/);
    window = new Window(await browser.newPage());
    await window.open(server.url(world.workspace));
    await window.showTrees();
  });

  beforeEach(({ onTestFailed, task }) => {
    onTestFailed(async () => {
      const path = join(tmpdir(), `pkx-vscode-${task.name.replace(/\W+/g, "-")}.png`);
      await window.page.screenshot({ path });
      console.error(`The window when it failed: ${path}`);
      // What stands open would hide the rows that the next test clicks.
      await window.page.keyboard.press("Escape");
    });
  });

  afterAll(async () => {
    try {
      await browser?.close();
    } finally {
      await server?.[Symbol.asyncDispose]();
      world?.running.close();
      await world?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("the tree shows runs, running ones first, and they move while a process logs", async () => {
    const names = async () => {
      const rows = await window.row(/^resnet/).allTextContents();
      return rows.map((text) => /resnet-lr-\de-\d/.exec(text)?.[0]);
    };
    await poll(names).toEqual(["resnet-lr-3e-4", "resnet-lr-1e-1", "resnet-lr-3e-3", "resnet-lr-1e-3"]);
    const running = window.row("resnet-lr-3e-4");
    const before = await textOf(running);
    expect(before).toMatch(/loss 0\.\d+ · 900 points · 900 behind/);
    using _ = training();
    await poll(() => textOf(running)).toMatch(/· 9[1-9]\d points ·/);
  });

  test("beneath a run stand its sinks with lag and error, its dead letters and its tags", async () => {
    await window.expand(window.row("resnet-lr-3e-4"));
    await poll(() => textOf(window.row("127.0.0.1:9/vision"))).toMatch(
      /retrying · [\d,]+ points behind, .*refuses connections/,
    );
    expect(await textOf(window.row("dataset"))).toContain("imagenet");
    await window.expand(window.row("resnet-lr-1e-1"));
    expect(await textOf(window.row("dead letter"))).toContain("1 dead letter");
    expect(await textOf(window.row(/^failed/))).toContain("the loss diverged");
    await picture("vscode-runs");
  });

  test("dead letters are sent again after a question", async () => {
    world.forgive();
    await window.menu(window.row("dead letter"), "Send Dead Letters Again");
    const dialog = window.page.locator(".monaco-dialog-box");
    expect(await textOf(dialog)).toContain("the value is too large");
    await dialog.getByRole("button", { name: "Send Again" }).click();
    await window.message("1 dead letter taken").waitFor();
    await poll(() => window.row("dead letter").count()).toBe(0);
  });

  test("the status bar tells how many run, and leads to a run", async () => {
    await poll(() => textOf(window.status)).toContain("1 run");
    await window.status.click();
    await poll(() => window.choice(/resnet/).count()).toBe(4);
    await window.choice("resnet-lr-1e-3").click();
    await window.webview.getByRole("heading", { name: "resnet-lr-1e-3" }).waitFor();
  });

  test.each(["train.py", "serve.ts", "pipeline.yaml"])(
    "%s: a hover tells which model production is",
    async (file) => {
      await window.openFile(file);
      const told = await window.hover("production");
      expect(told).toContain(world.first);
      expect(told).toMatch(/Promoted: by ada/);
      expect(told).toContain("better on night images");
      if (file === "train.py") await picture("vscode-hover");
    },
  );

  test("a hint shows the hash, and a mark that the tag has moved since the file was written", async () => {
    await window.openFile("train.py");
    const line = window.page.locator(".view-line", { hasText: "registry.load" });
    await poll(() => textOf(line)).toContain(world.first.slice(0, 8));
    await window.command("Problems: Focus on Problems View");
    const problem = window.page.locator(".markers-panel .monaco-list-row", {
      hasText: "production has moved",
    });
    expect(await textOf(problem.first())).toContain("by ada");
    await window.command("View: Toggle Panel Visibility");
  });

  test("names of models are completed", async () => {
    await window.openFile("train.py");
    await window.page.keyboard.press("Control+End");
    await window.page.keyboard.type('other = registry.load("');
    await window.page.keyboard.press("Control+Space");
    const offered = window.page.locator(".suggest-widget .monaco-list-row");
    await offered.filter({ hasText: "candidate" }).first().waitFor();
    expect((await offered.allInnerTexts()).join("\n")).toContain("production");
    await picture("vscode-completion");
    await window.page.keyboard.press("Escape");
    await window.command("File: Revert File");
  });

  test("a code action promotes, after a question that shows from where to where", async () => {
    await window.openFile("train.py");
    await window.act("production", "Promote production to candidate…");
    const question = window.message("Move candidate from");
    expect(await textOf(question)).toContain(world.second.slice(0, 8));
    expect(await textOf(question)).toContain(world.first.slice(0, 8));
    expect(await world.registry.resolve("candidate")).toBe(world.second);
    await picture("vscode-promote");
    await window.answer("Move candidate from", "Promote");
    await poll(() => world.registry.resolve("candidate")).toBe(world.first);
    await poll(() => textOf(window.row("candidate").first())).toContain(world.first.slice(0, 8));
  });

  test("the tree rolls a tag back, and shows its history", async () => {
    await window.menu(window.row(/^candidate/), "Roll Back…");
    await window.answer("Move candidate from", "Roll back");
    await poll(() => world.registry.resolve("candidate")).toBe(world.second);
    await window.expand(window.row(/^candidate/));
    await window.row("@3").waitFor();
    expect(await textOf(window.row("@1"))).toContain("grace");
  });

  test("the tree promotes a model to a tag that is chosen", async () => {
    await window.menu(window.row(`${world.second.slice(0, 8)} ResNet`), "Promote to…");
    await window.choice("production").click();
    await window.answer("Move production from", "Promote");
    await poll(() => world.registry.resolve("production")).toBe(world.second);
  });

  test("a run opens as a page whose charts grow", async () => {
    await window.command("Notifications: Clear All Notifications");
    await window.row("resnet-lr-3e-4").click();
    const chart = window.webview.locator('[data-metric="loss"]');
    await chart.waitFor();
    const before = await textOf(chart);
    {
      using _ = training();
      await poll(() => textOf(chart)).not.toBe(before);
    }
    await picture("vscode-run");
    if (process.env["PKX_SCREENSHOTS"] !== "1") return;
    const toggle = "Preferences: Toggle between Light/Dark Themes";
    await window.command(toggle);
    await poll(() => window.webview.locator("body").getAttribute("class")).toContain("vscode-dark");
    await picture("vscode-run-dark");
    await window.command(toggle);
  });

  test("runs that are selected are compared", async () => {
    await window.row("resnet-lr-3e-3").click();
    await window.row("resnet-lr-1e-3").click({ modifiers: ["Control"] });
    await window.menu(window.row("resnet-lr-1e-3"), "Compare Selected Runs");
    await window.webview.getByRole("heading", { name: "Comparison of 2 runs" }).waitFor();
    await window.webview.locator('[data-metric="loss"] canvas').first().waitFor();
    await picture("vscode-comparison");
  });

  test("models open as a page", async () => {
    await window.command("Pipekit: Show Models");
    await window.webview.getByRole("heading", { name: "Models" }).waitFor();
    await window.webview.getByText("production").first().waitFor();
    await picture("vscode-models");
  });

  test("a symbol of the workspace opens as a page", async () => {
    await window.page.keyboard.press("Control+T");
    await window.page.locator(".quick-input-widget input.input").fill("#production");
    await window.choice("production").first().click();
    await window.webview.getByRole("heading", { name: "production" }).waitFor();
    await window.command("View: Close Editor");
    await window.webview.getByRole("heading", { name: "Models" }).waitFor();
  });

  test("the tree of runs is filtered by name", async () => {
    await window.command("Pipekit: Filter Runs…");
    await window.page.locator(".quick-input-widget input.input").fill("1e-3");
    await window.page.keyboard.press("Enter");
    await poll(() => window.row(/^resnet/).count()).toBe(1);
    await window.command("Pipekit: Filter Runs…");
    await window.page.locator(".quick-input-widget input.input").fill("");
    await window.page.keyboard.press("Enter");
    await poll(() => window.row(/^resnet/).count()).toBe(4);
  });

  test("a language server that dies is started again", async () => {
    const first = languageServer();
    process.kill(first, "SIGKILL");
    await poll(() => languageServer()).toBeGreaterThan(first);
    using _ = training();
    const running = window.row("resnet-lr-3e-4");
    const before = await textOf(running);
    await poll(() => textOf(running)).not.toBe(before);
  });

  test("a daemon that is killed is missed, and found again", async () => {
    await world.daemon.kill9();
    await poll(() => textOf(window.status)).toContain("Pipekit");
    expect(await window.row(/^resnet/).count()).toBe(4);
    await world.restart();
    await poll(() => textOf(window.status)).toContain("1 run");
  });

  test("the endpoint may be a socket that SSH forwards", async () => {
    const sockets = new Set<Socket>();
    let used = 0;
    const forwarded = createServer((near) => {
      used++;
      const far = dial(world.daemon.socketPath);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy());
      }
    });
    const path = join(world.home, "fwd.sock");
    await new Promise<void>((done) => forwarded.listen(path, done));
    server.set({ "pipekit.endpoint": `unix:${path}` });
    await poll(() => used).toBeGreaterThan(0);
    await poll(() => textOf(window.status)).toContain("1 run");
    server.set({});
    for (const socket of sockets) socket.destroy();
    forwarded.close();
  });

  test("a Node.js that is too old is told once, with the setting to mend", async () => {
    server.set({ "pipekit.node": "/bin/false" });
    const told = window.message("Set pipekit.node to Node.js 24 or newer");
    await told.getByRole("button", { name: "Open Settings" }).waitFor();
    await poll(() => textOf(window.status)).toContain("Pipekit");
    server.set({});
    await poll(() => textOf(window.status)).toContain("1 run");
  });

  test("a page comes back where it was when the window is opened again", async () => {
    await window.row("resnet-lr-3e-3").click();
    await window.webview.getByRole("heading", { name: "resnet-lr-3e-3" }).waitFor();
    await window.command("Developer: Reload Window");
    await window.webview.getByRole("heading", { name: "resnet-lr-3e-3" }).waitFor();
    await window.webview.locator('[data-metric="loss"] canvas').first().waitFor();
  });
});
