/** The kinds of trackers that this daemon knows, and whether those named in its config can be used. */
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { missingReference, parseReference, type Reference, secretBytes } from "@pipekit/adapters/secret";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import type { TrackerKind } from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { PipekitError } from "@pipekit/proto";
import { TrackerKinds } from "./delivery/index.ts";

export type { Reference } from "@pipekit/adapters/secret";

export const TRACKER_KINDS: readonly TrackerKind[] = [
  mlflowTracker,
  tensorboardTracker,
  wandbTracker,
  clearmlTracker,
];

/** Trackers by name, as the config has them. */
export type NamedTrackers = Readonly<{ [name: string]: readonly string[] }>;

/**
 * A wrong spec of a named tracker is better told at the start than to each run that names it.
 * Throws INVALID_DAEMON_CONFIG.
 */
export function checkTrackers(
  trackers: NamedTrackers,
  configFile: string,
  canonicalSpecs: (specs: readonly string[]) => readonly string[],
): void {
  for (const [name, specs] of Object.entries(trackers)) {
    try {
      canonicalSpecs(specs);
    } catch (cause) {
      if (!(cause instanceof PipekitError)) throw cause;
      const message = `trackers.${name} in ${configFile} is wrong: ${cause.message}`;
      throw new PipekitError("INVALID_DAEMON_CONFIG", message, {
        field: `trackers.${name}`,
        mend: cause.mend,
        cause,
      });
    }
  }
}

/** What named trackers need besides a right spec. */
export interface TrackerNeeds {
  /** Each place once: the URL of a server, or the folder of a tracker that writes files. */
  readonly places: readonly string[];
  /** Where their secrets are found, where the specs say it. */
  readonly references: readonly Reference[];
}

/** Throws INVALID_DAEMON_CONFIG. */
export function trackerNeeds(trackers: NamedTrackers, configFile: string): TrackerNeeds {
  const kinds = new TrackerKinds(TRACKER_KINDS);
  checkTrackers(trackers, configFile, (specs) => kinds.canonical(specs));
  const specs = kinds.canonical(Object.values(trackers).flat());
  const places = specs.flatMap((spec) => placeOf(kinds.target(spec)?.key ?? ""));
  return { places: [...new Set(places)], references: specs.flatMap(referencesIn) };
}

/** `key` begins with the kind's name; behind it stand the endpoint and, for some, references to credentials. */
function placeOf(key: string): string[] {
  const endpoint = key.slice(key.indexOf(" ") + 1);
  const url = /^https?:\/\/\S+/.exec(endpoint)?.[0];
  if (url !== undefined) return [url];
  const folder = /(?:^|\/\/| )(\/.*)$/.exec(endpoint)?.[1];
  return folder === undefined ? [] : [decodeURI(folder)];
}

function referencesIn(spec: string): Reference[] {
  const [, query = ""] = spec.split(/\?(.*)/s, 2);
  return [...new URLSearchParams(query).values()].flatMap((value) => parseReference(value) ?? []);
}

/** Why there is no secret in a file that a spec names; undefined where there is one. One sentence. */
export function faultOfSecretFile(path: string): string | undefined {
  return secretBytes(path)?.length ? undefined : missingReference({ from: "file", path });
}
