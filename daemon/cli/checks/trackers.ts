/** The trackers that the config names: specs, secrets, whether the servers answer, and what time it is there. */
import type { Config } from "../../config/index.ts";
import { duration } from "../../format.ts";
import type { Reference } from "../../trackers.ts";
import type { Context } from "../context.ts";
import { codeOf, type Finding, failed, note, ok, problem } from "./finding.ts";
import { standing, unreadable, unwritable } from "./paths.ts";

const ANSWER_TIMEOUT_MS = 4000;
/** A clock that is this much away from a server's spoils signatures and tokens, milliseconds. */
const SKEW = { problem: 300_000, note: 30_000 };

export async function checkTrackers(context: Context, config: Config): Promise<Finding[]> {
  if (Object.keys(config.trackers).length === 0) return [];
  // The adapters of all tools: only where there is something to look at.
  const { trackerNeeds, faultOfSecretFile } = await import("../../trackers.ts");
  try {
    const { places, references } = trackerNeeds(config.trackers, config.configFile);
    const looks = places.map((place) =>
      place.startsWith("/") ? checkFolder(place) : checkServer(place, context.signal),
    );
    return [
      ...references.flatMap((reference) => checkReference(reference, context, faultOfSecretFile)),
      ...(await Promise.all(looks)).flat(),
    ];
  } catch (error) {
    return [failed("trackers", error)];
  }
}

function checkReference(
  reference: Reference,
  { terminal: { env } }: Context,
  faultOfSecretFile: (path: string) => string | undefined,
): Finding[] {
  if (reference.from === "file") {
    const { path } = reference;
    const fault = unreadable(path);
    if (fault === undefined) {
      const told = faultOfSecretFile(path);
      return told === undefined ? [] : [problem("credentials", told, `Mend it: chmod 600 ${path}`)];
    }
    const message = `The file ${path}, in which a tracker's secret should be, cannot be read (${fault}).`;
    return [problem("credentials", message, "Make the file, or mend the spec; the daemon reads it anew.")];
  }
  if (env[reference.name]) return [];
  // The daemon has the environment of its start, and not this one.
  const message = `The variable ${reference.name}, which a tracker's spec names, is not set here.`;
  return [note("credentials", message, "Set it where the daemon is started, then `pkx stop`.")];
}

function checkFolder(folder: string): Finding[] {
  const at = standing(folder);
  const fault = unwritable(at);
  if (fault === undefined) return [ok("trackers", `${folder} can be written.`)];
  return [
    problem("trackers", `${folder} cannot be written (${fault} at ${at}).`, "Mend the folder or the spec."),
  ];
}

/** Asks without credentials: any answer will do. */
async function checkServer(url: string, signal: AbortSignal): Promise<Finding[]> {
  let response: Response;
  const askedMs = Date.now();
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    response = await fetch(url, { method: "HEAD", redirect: "manual", signal: limit });
  } catch (error) {
    signal.throwIfAborted();
    return [unreachable(url, error)];
  }
  const answer = ok("trackers", `${url} answers.`);
  // To the second; the answer was made at some time in between.
  const theirMs = Date.parse(response.headers.get("date") ?? "");
  const aheadMs = Math.round((askedMs + Date.now()) / 2 - theirMs);
  if (Number.isNaN(theirMs) || Math.abs(aheadMs) < SKEW.note) return [answer];
  const message = `This machine's clock is ${duration(Math.abs(aheadMs) * 1000)} ${aheadMs > 0 ? "ahead of" : "behind"} that of ${url}.`;
  const mend = "Set it, such as with `timedatectl set-ntp true`, here or there.";
  return [
    answer,
    Math.abs(aheadMs) < SKEW.problem ? note("clock", message, mend) : problem("clock", message, mend),
  ];
}

function unreachable(url: string, error: unknown): Finding {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    const mend = "Look at the server and at what lies between; delivery goes on when it answers.";
    return problem("trackers", `${url} gives no answer within ${ANSWER_TIMEOUT_MS / 1000} s.`, mend);
  }
  const code = codeOf(cause);
  const untrusted = /SELF_SIGNED|ISSUER|VERIFY|SIGNATURE/.test(code);
  const mend = untrusted
    ? "Let the daemon trust who signed it: start it with NODE_EXTRA_CA_CERTS=FILE."
    : "Start the server, or mend the address in the config; delivery goes on when it answers.";
  return problem("trackers", `${url} cannot be reached (${code}).`, mend);
}
