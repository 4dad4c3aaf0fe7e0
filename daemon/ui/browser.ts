/** Opens an address in the person's browser. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The program that opens files for the person; undefined where a window could not be seen. */
export function browserCommand(env: NodeJS.ProcessEnv, platform = process.platform): string | undefined {
  if (env["SSH_CONNECTION"]) return undefined;
  if (platform === "darwin") return "open";
  return env["DISPLAY"] || env["WAYLAND_DISPLAY"] ? "xdg-open" : undefined;
}

/**
 * Opens an address. By way of a file that only this user can read: all users of the machine see the arguments of a
 * process. Resolves to whether the program began; the returned function removes the file.
 */
export async function openInBrowser(
  address: string,
  command: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly began: boolean; readonly forget: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-ui-"));
  const file = join(folder, "open.html");
  await writeFile(file, `<!doctype html><meta http-equiv="refresh" content="0;url=${address}">\n`, {
    mode: 0o600,
  });
  const child = spawn(command, [file], { env, stdio: "ignore", detached: true });
  const began = await new Promise<boolean>((done) => {
    child.once("spawn", () => done(true));
    child.once("error", () => done(false));
  });
  child.unref();
  return { began, forget: () => rm(folder, { recursive: true, force: true }) };
}
