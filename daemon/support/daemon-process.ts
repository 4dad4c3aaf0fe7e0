/** How the daemon was started, as the system tells it of a process of this user. */
import { readFileSync } from "node:fs";

/** Empty where the system does not show them. */
export interface DaemonProcess {
  readonly env: Readonly<{ [name: string]: string }>;
  /** Options of `pkx serve` with their values, such as `token-file`. */
  readonly options: ReadonlyMap<string, string>;
}

export function daemonProcess(pid: number): DaemonProcess {
  const env = partsOf(`/proc/${pid}/environ`).flatMap((entry) => {
    const at = entry.indexOf("=");
    return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)] as const] : [];
  });
  const args = partsOf(`/proc/${pid}/cmdline`);
  const options = args.flatMap((arg, i) => {
    const [, name, value = args[i + 1] ?? ""] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    return name === undefined ? [] : [[name, value] as const];
  });
  return { env: Object.fromEntries(env), options: new Map(options) };
}

function partsOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\0");
  } catch {
    return [];
  }
}
