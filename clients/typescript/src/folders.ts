import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";

/** Environment variables, as in process.env. */
export type Env = Readonly<{ [name: string]: string | undefined }>;

/** Our folder below those of the XDG specification. */
export const NAME = "pipekit-experiment";

/** Absolute path of the state folder: $PKX_STATE_DIR, else under $XDG_STATE_HOME, else under ~/.local/state. */
export function stateFolder(env: Env, home = homedir()): string {
  const named = env["PKX_STATE_DIR"];
  return resolve(named ? named : join(xdg(env["XDG_STATE_HOME"]) ?? join(home, ".local/state"), NAME));
}

/** Absolute path of the runtime folder: $PKX_RUNTIME_DIR, else under $XDG_RUNTIME_DIR, else in /tmp by user id. */
export function runtimeFolder(env: Env, uid = process.getuid?.() ?? 0): string {
  const named = env["PKX_RUNTIME_DIR"];
  if (named) return resolve(named);
  const base = xdg(env["XDG_RUNTIME_DIR"]);
  return base === undefined ? `/tmp/${NAME}-${uid}` : join(base, NAME);
}

/** The socket of the daemon of a state folder. The folder's real path counts; it need not exist yet. */
export function socketPath(runtime: string, state: string): string {
  const id = createHash("sha256").update(realPath(state)).digest("hex").slice(0, 16);
  return join(runtime, `${id}.sock`);
}

/** The endpoint that is named: such a daemon is never started. Undefined for the socket of a state folder: one that is named goes before the variable. */
export function endpointName(
  {
    endpoint,
    stateFolder,
  }: { readonly endpoint?: string | undefined; readonly stateFolder?: string | undefined },
  env: Env,
): string | undefined {
  return endpoint ?? (stateFolder === undefined ? env["PKX_ENDPOINT"] : undefined);
}

/** Value of an XDG variable; the specification has relative paths ignored. */
export function xdg(value: string | undefined): string | undefined {
  return value !== undefined && isAbsolute(value) ? value : undefined;
}

/** The real path of what exists of a path, with the rest as it is: the name a folder will have once it is made. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
