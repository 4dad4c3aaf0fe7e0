/** Runs W&B's own Python client against a server. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runPython } from "../support/python-program.ts";

/** What log_script.py logs. */
export interface LogScript {
  readonly entity: string;
  readonly project: string;
  readonly id: string;
  readonly name: string;
  readonly tags: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Values as text, so that NaN and the infinities pass. */
  readonly rows: readonly (readonly [step: number, values: Readonly<Record<string, string>>])[];
  readonly late_config: Readonly<Record<string, unknown>>;
  readonly exit_code: number;
  readonly artifact: {
    readonly name: string;
    readonly files: Readonly<Record<string, string>>;
    readonly references: Readonly<Record<string, string>>;
  };
}

/** Logs a script by the real client; resolves with the digest of its artifact. Throws with what it printed. */
export async function logByClient(url: string, key: string, script: LogScript): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "pkx-wandb-client-"));
  const env = {
    HOME: folder,
    ...{ WANDB_BASE_URL: url, WANDB_API_KEY: key, WANDB_DIR: folder, WANDB_ERROR_REPORTING: "false" },
    ...{ WANDB_CACHE_DIR: folder, WANDB_CONFIG_DIR: folder, WANDB_DATA_DIR: folder },
  };
  try {
    const program = join(import.meta.dirname, "log_script.py");
    const printed = await runPython(program, script, { cwd: folder, env });
    return printed.trim().split("\n").at(-1) ?? "";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
