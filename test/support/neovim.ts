/** A headless Neovim for tests, typed into and asked from outside by `nvim --server`. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { findProgram, missing, NEOVIM } from "./programs.ts";

const run = promisify(execFile);

/** Why tests that need it are skipped; undefined where they are not. */
export const neovimMissing: string | undefined = missing(NEOVIM);

/** A Neovim under test, with no configuration but the one given. `await using` ends it. */
export class TestNeovim implements AsyncDisposable {
  readonly #program: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(program: string, folder: string, child: ChildProcess) {
    this.#program = program;
    this.#folder = folder;
    this.#child = child;
  }

  /** Starts it with `init` (Lua) as its configuration, on a file. Throws where there is none. */
  static async start(init: string, file: string, env: NodeJS.ProcessEnv): Promise<TestNeovim> {
    const program = findProgram(NEOVIM);
    if (program === undefined) throw new Error(neovimMissing);
    const folder = mkdtempSync(join(tmpdir(), "pkx-nvim-"));
    writeFileSync(join(folder, "init.lua"), init);
    const args = [
      "--clean",
      "--headless",
      "-n",
      "--listen",
      join(folder, "s"),
      "-u",
      join(folder, "init.lua"),
      file,
    ];
    const child = spawn(program, args, {
      env: { ...process.env, ...env, XDG_CACHE_HOME: folder, XDG_STATE_HOME: folder, XDG_DATA_HOME: folder },
      stdio: "ignore",
    });
    // It says nothing when it listens.
    while (!existsSync(join(folder, "s"))) {
      if (child.exitCode !== null) throw new Error(`Neovim ended with ${child.exitCode}.`);
      await sleep(20);
    }
    return new TestNeovim(program, folder, child);
  }

  /** The value of a Lua expression, by JSON. */
  async lua<T>(expression: string): Promise<T> {
    const quoted = `vim.json.encode({ ${expression} })`.replaceAll("'", "''");
    const { stdout, stderr } = await this.#ask("--remote-expr", `luaeval('${quoted}')`);
    // Older ones print it to standard error.
    const [value] = JSON.parse(stdout || stderr) as T[];
    return value as T;
  }

  /** Types keys, such as `gg<CR>`. */
  async type(keys: string): Promise<void> {
    await this.#ask("--remote-send", keys);
  }

  #ask(...args: string[]) {
    return run(this.#program, ["--clean", "--headless", "--server", join(this.#folder, "s"), ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = this.#child.exitCode === null ? once(this.#child, "exit") : undefined;
    await this.#ask("--remote-expr", "execute('qa!')").catch(() => undefined);
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await exited;
    clearTimeout(timer);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
