/** Where what MLflow shows is not what the registry says: one sentence each. The registry stays the truth. */

import { aliasOf, hashOfTag } from "./aliases.ts";
import type { Files } from "./files.ts";
import { type Home, hasAnchor } from "./home.ts";
import type { RegisteredModel, Shown } from "./registered-model.ts";
import type { Server } from "./server.ts";
import type { Versions } from "./versions.ts";

/** What is compared. */
export interface Compared {
  readonly server: Server;
  readonly home: Home;
  readonly model: RegisteredModel;
  readonly versions: Versions;
  readonly files: Files;
}

export async function* findDifferences(parts: Compared, signal: AbortSignal): AsyncGenerator<string> {
  const { server, home, model, versions, files } = parts;
  if (home.anchor !== undefined && !(await hasAnchor(server, home.anchor, signal))) {
    yield `The logged model ${home.anchor}, which holds the files of all models, is deleted in MLflow: ` +
      "new models get no version, and `mlflow gc` would delete the files.";
  }
  yield* aliasDifferences(await model.read(signal), versions, signal);
  const shown = new Map<string, string>();
  for await (const { hash, number } of versions.all(signal)) {
    const other = shown.get(hash);
    if (other !== undefined) yield `The model ${hash} has two versions in MLflow, ${other} and ${number}.`;
    shown.set(hash, number);
  }
  const stored = new Set<string>();
  for (const { name, size } of await files.list("", signal)) {
    if (size !== undefined || !/^[0-9a-f]{64}$/.test(name)) continue;
    stored.add(name);
    if (shown.has(name)) continue;
    if ((await files.sizeOf(`${name}/metadata.json`, signal)) === undefined) continue;
    yield `The model ${name} has no version in MLflow; loading it makes one.`;
  }
  for (const [hash, number] of shown) {
    if (!stored.has(hash)) yield `Version ${number} in MLflow has no files any more; \`gc\` removes it.`;
  }
}

async function* aliasDifferences(
  shown: Shown,
  versions: Versions,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const { entries, aliases } = shown;
  const ours = new Set<string>();
  for (const [key, { bytes }] of entries) {
    const alias = aliasOf(key);
    if (alias === undefined) continue;
    ours.add(alias);
    const hash = hashOfTag(bytes);
    const version = aliases.get(alias);
    const there =
      version === undefined ? "" : ((await versions.hashOf(version, signal)) ?? `version ${version}`);
    if (there === hash) continue;
    const says = there === "" ? "does not exist" : `points to ${there}`;
    const tag = hash === "" ? "was deleted" : `points to ${hash}`;
    yield `MLflow's alias \`${alias}\` ${says}, while the tag ${tag}; the tag's next move sets it right.`;
  }
  for (const [alias, version] of aliases) {
    if (!ours.has(alias)) {
      yield `MLflow's alias \`${alias}\` (version ${version}) is no tag of this registry; ` +
        "set one of that name, or remove the alias.";
    }
  }
}
