/** A user's folders for `pkx doctor`: sound at first, to be spoilt, and mended as doctor says. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Finding } from "../../daemon/cli/checks/index.ts";
import { temporaryHome } from "../support/daemon.ts";
import { pkx } from "../support/terminal.ts";

export class Home {
  readonly folder = temporaryHome();
  readonly state = join(this.folder, "state");
  readonly runtime = join(this.folder, "run");
  readonly configFile = join(this.folder, "config.yaml");
  env: { [name: string]: string | undefined };

  constructor() {
    for (const folder of [this.state, this.runtime]) mkdirSync(folder, { mode: 0o700 });
    writeFileSync(this.configFile, "log_level: info\n");
    this.env = {
      PATH: process.env["PATH"],
      HOME: this.folder,
      XDG_CACHE_HOME: this.folder,
      PKX_STATE_DIR: this.state,
      PKX_RUNTIME_DIR: this.runtime,
      PKX_CONFIG: this.configFile,
    };
  }

  configure(text: string): void {
    writeFileSync(this.configFile, text);
  }

  async pkx(...args: string[]) {
    return pkx(args, { env: this.env });
  }

  /** What doctor finds. Its exit code says whether there are problems, and every problem has a mend. */
  async findings(): Promise<readonly Finding[]> {
    const { code, out, err } = await this.pkx("doctor", "--json");
    expect(err).toBe("");
    const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
    const problems = findings.filter(({ state }) => state === "problem");
    expect({ code, ok }).toEqual(problems.length === 0 ? { code: 0, ok: true } : { code: 1, ok: false });
    for (const { mend } of problems) expect(mend).toBeTruthy();
    return findings;
  }

  async green(): Promise<void> {
    expect((await this.findings()).filter(({ state }) => state === "problem")).toEqual([]);
  }

  /** The one problem that there is. */
  async problem(check: string): Promise<Finding & { readonly mend: string }> {
    const problems = (await this.findings()).filter(({ state }) => state === "problem");
    expect(problems.map((found) => found.check)).toEqual([check]);
    return { mend: "", ...(problems[0] as Finding) };
  }

  /** The one note of this check, where there is no problem. */
  async note(check: string): Promise<Finding> {
    const findings = await this.findings();
    expect(findings.filter(({ state }) => state === "problem")).toEqual([]);
    const notes = findings.filter((found) => found.check === check && found.state === "note");
    expect(notes).toHaveLength(1);
    return notes[0] as Finding;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs the command of a mend such as `Close it: chmod 700 /x`. */
export function follow(mend: string): void {
  const command = /: (\w+ .+)$/.exec(mend)?.[1];
  expect(command, mend).toBeDefined();
  // The tests are run by root, who needs none.
  execFileSync("sh", ["-c", (command ?? "").replace(/^sudo /, "")]);
}
