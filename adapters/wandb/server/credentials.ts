/** Finds the API key of a W&B server, as W&B's own client does; but none that was not given for that server. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Authorization,
  basic,
  missingReference,
  Renewed,
  resolveReference,
} from "@pipekit/adapters/http";
import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { ServerSpec } from "../spec.ts";

/**
 * The reference of the spec; without one, WANDB_API_KEY of the daemon's environment, then the entry of the server's
 * host in the netrc file (`$NETRC`, `~/.netrc` or `~/_netrc`), which `wandb login` writes.
 */
export function apiKey(spec: ServerSpec, context: Pick<AdapterContext, "env" | "home">): Renewed {
  return new Renewed(async () => {
    if (spec.key !== undefined) {
      const value = await resolveReference(spec.key, context.env);
      return value === undefined ? { found: false, reason: missingReference(spec.key) } : header(value);
    }
    const value = context.env["WANDB_API_KEY"] || (await netrcKey(new URL(spec.url).host, context));
    if (value !== undefined) return header(value);
    const host = new URL(spec.url).host;
    return {
      found: false,
      reason: `The daemon has no key for W&B at ${host}: set WANDB_API_KEY for it, run \`wandb login\`, or name one with ?key=.`,
    };
  });
}

function header(key: string): Authorization {
  return basic("api", key.trim());
}

async function netrcKey(
  host: string,
  { env, home }: Pick<AdapterContext, "env" | "home">,
): Promise<string | undefined> {
  const paths = env["NETRC"] ? [env["NETRC"]] : [join(home, ".netrc"), join(home, "_netrc")];
  for (const path of paths) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text !== undefined) return netrcPassword(text, host);
  }
  return undefined;
}

/**
 * The password of a machine. Not that of `default`, which W&B's client takes: it was never meant for this host, and a spec
 * can name any.
 */
function netrcPassword(text: string, host: string): string | undefined {
  const tokens = text.replace(/^\s*#.*$/gm, "").split(/\s+/);
  let fits = false;
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index];
    if (token === "machine") fits = tokens[++index] === host;
    else if (token === "default") fits = false;
    else if (token === "password") {
      const password = tokens[++index];
      if (fits) return password || undefined;
    } else if (token === "login" || token === "account") index++;
  }
  return undefined;
}
