/** A real VS Code for tests: code-server with folders of its own, an extension installed, and no way out of this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { CODE_SERVER } from "./programs.ts";

const ENTRY = join(CODE_SERVER, "node_modules/code-server/out/node/entry.js");
const READY_MS = 30_000;

/** Nothing but what is tested: no welcome, no chat, no looking for news. */
const QUIET = {
  "chat.disableAIFeatures": true,
  "editor.hover.delay": 100,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "git.enabled": false,
  "js/ts.validate.enabled": false,
  "telemetry.telemetryLevel": "off",
  "typescript.validate.enable": false,
  "update.mode": "none",
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

export interface CodeServerOptions {
  /** Holds its folders; the caller removes it. */
  readonly home: string;
  /** Path of a .vsix. */
  readonly extension: string;
  /** Settings of the user and of the machine. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<{ [name: string]: string | undefined }>;
}

export interface CodeServer extends AsyncDisposable {
  /** Address of the editor with a folder open. */
  url(folder: string): string;
  /** Writes the settings of the machine anew; those of `options.settings` that are not named stay. */
  set(settings: Readonly<Record<string, unknown>>): void;
  /** What it wrote so far. */
  log(): string;
}

/** Starts it and waits until it listens. Throws with its log when it does not. */
export async function startCodeServer(options: CodeServerOptions): Promise<CodeServer> {
  const { home } = options;
  const data = join(home, "data");
  const folders = ["--user-data-dir", data, "--extensions-dir", join(home, "extensions")];
  const config = ["--config", join(home, "config.yaml")];
  for (const folder of ["User", "Machine"]) mkdirSync(join(data, folder), { recursive: true });
  writeFileSync(join(home, "config.yaml"), "auth: none\n");
  const write = (folder: string, settings: object) =>
    writeFileSync(join(data, folder, "settings.json"), JSON.stringify(settings, null, 2));
  write("User", QUIET);
  write("Machine", options.settings ?? {});
  const env = {
    ...process.env,
    // Paths of sockets are limited, and it makes some below these.
    TMPDIR: home,
    XDG_RUNTIME_DIR: home,
    EXTENSIONS_GALLERY: "{}",
    ...options.env,
  };
  const launch = (args: readonly string[]) =>
    spawn(process.execPath, [ENTRY, ...folders, ...config, ...args], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  let log = "";
  const note = (chunk: Buffer) => {
    log += chunk;
  };
  const installing = launch(["--install-extension", options.extension]);
  installing.stdout.on("data", note);
  installing.stderr.on("data", note);
  const [code] = await once(installing, "exit");
  if (code !== 0) throw new Error(`The extension could not be installed:\n${log}`);

  const port = await freePort();
  const child = launch([
    ...["--auth", "none", "--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry"],
    ...["--disable-update-check", "--disable-workspace-trust", "--disable-getting-started-override"],
  ]);
  child.stderr.on("data", note);
  const ended = once(child, "exit");
  await new Promise<void>((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`code-server was not ready:\n${log}`)), READY_MS);
    child.stdout.on("data", (chunk: Buffer) => {
      note(chunk);
      if (!log.includes("HTTP server listening")) return;
      clearTimeout(timer);
      done();
    });
    child.once("exit", () => fail(new Error(`code-server ended:\n${log}`)));
  });
  return {
    url: (folder) => `http://127.0.0.1:${port}/?folder=${encodeURIComponent(folder)}`,
    set: (settings) => write("Machine", { ...options.settings, ...settings }),
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}
