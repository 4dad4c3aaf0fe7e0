/** What of a state folder is in no backup, and why. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { FOLDERS, JOURNAL } from "./form.ts";
import { LINKS, RESTORED } from "./marks.ts";

const REASONS: readonly (readonly [name: RegExp, why: string])[] = [
  [/^cache$/, "what it holds of other registries can be fetched again"],
  [/^logs$/, "the daemon's log says nothing that a daemon needs"],
  [/^bridge\.json$/, "a restored journal is published to the stream anew, under a name of its own"],
  [/^journal\.db\.(damaged|salvaged)/, "it is a journal that was put aside"],
];
/** Of this daemon, this folder, or in the backup in another form. */
const OWN = new Set([
  ...FOLDERS,
  LINKS,
  RESTORED,
  JOURNAL,
  `${JOURNAL}-wal`,
  `${JOURNAL}-shm`,
  "daemon.json",
]);

/** One sentence each. `withConfig` tells whether the config file is in the backup. */
export async function leftOut(stateFolder: string, withConfig: boolean): Promise<string[]> {
  const names = (await readdir(stateFolder)).filter((name) => !OWN.has(name) && !/^daemon\.lock/.test(name));
  const told = names.sort().map((name) => {
    const why = REASONS.find(([pattern]) => pattern.test(name))?.[1] ?? "the daemon did not make it";
    return `${join(stateFolder, name)}: ${why}.`;
  });
  return [
    ...told,
    "Secrets: tokens, principals, keys and certificates that the config names, and what `env:` and `file:` point to, are never in a backup.",
    ...(withConfig ? [] : ["The config file: it was not asked for."]),
    "What processes have logged and the daemon has not acknowledged: it lies in their own memory and rings.",
  ];
}
