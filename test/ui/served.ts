/** A real `pkx ui` before a real daemon. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { TestDaemon } from "../support/daemon.ts";

const MAIN = resolve(import.meta.dirname, "../../daemon/main.ts");

export interface ServedUi extends AsyncDisposable {
  /** Good for one browser, once. */
  readonly address: string;
  readonly origin: string;
}

/** Starts `pkx ui --json` with more arguments. `script`: what to run instead of daemon/main.ts. */
export async function startUi(
  daemon: Pick<TestDaemon, "clientEnv">,
  args: readonly string[] = [],
  script = MAIN,
): Promise<ServedUi> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", script, "ui", "--json", ...args],
    { env: { ...process.env, ...daemon.clientEnv }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const exited = once(child, "exit");
  const [line] = await Promise.race([
    once(child.stdout, "data"),
    exited.then(([code]) => Promise.reject(new Error(`pkx ui ended with ${code}.`))),
  ]);
  const { url } = JSON.parse(String(line)) as { url: string };
  return {
    address: url,
    origin: new URL(url).origin,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
