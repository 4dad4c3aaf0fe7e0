/** Whether this Node can run the daemon. It imports nothing: an older Node has not all that the rest is made of. */

/** Oldest major version of Node that the daemon runs on. */
export const NODE_MAJOR = 24;

/** What a command says of a Node that is too old, `serve` in the form that clients read; undefined when all is well. */
export function nodeFault(command: string | undefined, version = process.versions.node): string | undefined {
  if (Number(version.split(".")[0]) >= NODE_MAJOR) return undefined;
  const what = `pkx needs Node ${NODE_MAJOR} or later, and ${process.execPath} is ${version}.`;
  if (command === "serve") {
    const mend = "Set PKX_NODE to the path of a newer one, or put it first on PATH.";
    return `pkx serve: ${what} [DAEMON_UNAVAILABLE: PKX_NODE]\n  ${mend}\n`;
  }
  // The `pkx` that npm installs is started by PATH alone, that of pip by PKX_NODE where it is set.
  const mend = "Put a newer one first on PATH; where PKX_NODE is set, let it name that one.";
  return `error DAEMON_UNAVAILABLE: ${what}\n${mend}\n`;
}
