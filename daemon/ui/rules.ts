/**
 * Who may ask. A page of a stranger, open in the same browser, can reach loopback too: by a name that it makes point
 * here (DNS rebinding: the host tells), by a form, an image or a fetch of its own (the origin tells), and from another
 * port of this machine, for which the cookie is sent (`Sec-Fetch-Site` tells).
 */
import type { IncomingMessage } from "node:http";
import { Refusal } from "./refusal.ts";

const OWN_SITES = new Set(["none", "same-origin"]);

/** Throws a Refusal unless the request was meant for this server. */
export function checkHost({ headers }: IncomingMessage, port: number): void {
  const host = headers.host ?? "";
  if (host === `127.0.0.1:${port}` || host === `localhost:${port}`) return;
  throw new Refusal(403, "This page answers only to 127.0.0.1 and localhost, at its own port.", {
    field: "Host",
    mend: `Open it at 127.0.0.1:${port}; forward the same port over ssh: ssh -L ${port}:127.0.0.1:${port} HOST.`,
  });
}

/** Throws a Refusal unless the page itself, or a person, asks. Call after `checkHost`. */
export function checkOrigin({ headers, method }: IncomingMessage): void {
  const { origin, host } = headers;
  const site = headers["sec-fetch-site"];
  if (origin === undefined ? method === "POST" : origin !== `http://${host}`) {
    throw new Refusal(403, "A page of another origin may not ask here.", { field: "Origin" });
  }
  if (site !== undefined && !OWN_SITES.has(String(site))) {
    throw new Refusal(403, "A page of another site may not ask here.", {
      field: "Sec-Fetch-Site",
      mend: "Type the address, or open the one that `pkx ui` prints.",
    });
  }
}

/** Whether a browser only looks ahead; a token must not be used up by that. */
export function isPrefetch({ headers }: IncomingMessage): boolean {
  return /prefetch|prerender/.test(`${headers["sec-purpose"] ?? ""} ${headers["purpose"] ?? ""}`);
}
