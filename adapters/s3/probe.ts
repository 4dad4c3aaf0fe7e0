/**
 * Whether a server keeps what the registry relies on. A server may take the header of a condition and ignore it, or look
 * first and write afterwards; so 16 racers try each primitive, and exactly one may win. A good result holds for endpoint
 * and bucket as long as this process lives; a bad one is found anew.
 *
 * Architecture Invariant: nothing is written to a server whose probe has failed.
 */
import { randomUUID } from "node:crypto";
import { unlessAborted } from "../aborting.ts";
import { BackendRefused } from "../registry.ts";
import type { Bucket } from "./bucket.ts";
import { S3Answer } from "./faults.ts";
import { getObject, headObject } from "./reading.ts";
import { type Condition, putObject, removeObject } from "./writing.ts";

export const PROBE_FOLDER = "_probe/";
const RACERS = 16;
/** Races in which nobody wins, for instance because answers are lost, before that is the finding. */
const ROUNDS = 3;
const MEND =
  "Use a server with atomic conditional writes (AWS S3, MinIO, Ceph, SeaweedFS from 4.18), or accept lost tag moves " +
  "by `?unsafe_without_conditional_writes=true`.";

/** Places whose probe was good, and those being probed. */
const probed = new Set<string>();
const probing = new Map<string, Promise<void>>();

/** Probes at first use. Throws BackendRefused with the finding, BackendUnavailable. */
export async function ensureProbed(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const place = `${bucket.endpoint} ${bucket.spec.bucket}`;
  if (probed.has(place)) return;
  let running = probing.get(place);
  if (running === undefined) {
    // Callers share it: it goes on when one of them gives up.
    running = probe(bucket, new AbortController().signal)
      .then(() => void probed.add(place))
      .finally(() => probing.delete(place));
    probing.set(place, running);
  }
  await unlessAborted(running, signal);
}

async function probe(bucket: Bucket, signal: AbortSignal): Promise<void> {
  const keys: string[] = [];
  const newKey = (): string => {
    keys.push(`${PROBE_FOLDER}${randomUUID()}`);
    return keys.at(-1) ?? "";
  };
  try {
    // The racers' connections are opened before the race, so that they start as one.
    const warm = newKey();
    await Promise.all(Array.from({ length: RACERS }, () => headObject(bucket, warm, signal)));
    let key = "";
    const created = await untilWon(() => {
      key = newKey();
      return race(bucket, key, { IfNoneMatch: "*" }, "PutObject with If-None-Match: *", signal);
    });
    await race(bucket, key, { IfMatch: created }, "PutObject with If-Match", signal, true);
  } finally {
    await Promise.allSettled(keys.map((key) => removeObject(bucket, key, signal)));
  }
}

/** Repeats a race that nobody has won. */
async function untilWon(run: () => Promise<string | undefined>): Promise<string> {
  for (let round = 1; ; round++) {
    const version = await run();
    if (version !== undefined) return version;
    if (round === ROUNDS) throw noWinner("PutObject with If-None-Match: *");
  }
}

/** The version that the winner wrote; undefined when nobody knows to have won. */
async function race(
  bucket: Bucket,
  key: string,
  condition: Condition,
  primitive: string,
  signal: AbortSignal,
  mustBeWon = false,
): Promise<string | undefined> {
  const bodies = Array.from({ length: RACERS }, () => Buffer.from(`probe ${randomUUID()}\n`));
  const outcomes = await Promise.allSettled(
    bodies.map((body) => putObject(bucket, key, body, condition, signal)),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected" && !(outcome.reason instanceof S3Answer)) throw outcome.reason;
  }
  const won = outcomes.flatMap((outcome, i) =>
    outcome.status === "fulfilled" ? [{ version: outcome.value, i }] : [],
  );
  const [winner] = won;
  if (won.length > 1) {
    throw new BackendRefused(
      `The server ${bucket.endpoint} does not keep ${primitive}: ${won.length} of ${RACERS} racers won.`,
      MEND,
    );
  }
  const found = await getObject(bucket, key, signal);
  const stored = bodies.findIndex((body) => found?.bytes.equals(body));
  // A winner whose answer was lost is a winner.
  if (winner === undefined && stored >= 0 && found !== undefined) return found.version;
  if (winner === undefined) {
    if (mustBeWon) throw noWinner(primitive);
    return undefined;
  }
  if (stored === winner.i && found?.version === winner.version) return winner.version;
  throw new BackendRefused(
    `The server ${bucket.endpoint} does not keep ${primitive}: it holds another racer's bytes than the winner's.`,
    MEND,
  );
}

function noWinner(primitive: string): BackendRefused {
  return new BackendRefused(`The server does not keep ${primitive}: none of ${RACERS} racers won.`, MEND);
}
