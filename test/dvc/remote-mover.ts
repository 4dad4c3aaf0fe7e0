/** A process that pushes or fetches all data of a repository: `node remote-mover.ts <folder> push|fetch`. */
import { Remotes } from "../../adapters/dvc/remotes/opening.ts";
import { Repository } from "../../adapters/dvc/repository.ts";
import { findTargets } from "../../adapters/dvc/targets.ts";
import { fetchTargets } from "../../adapters/dvc/transfer-fetch.ts";
import { pushTargets } from "../../adapters/dvc/transfer-push.ts";

const [folder = "", what = ""] = process.argv.slice(2);
const context = { env: process.env, home: folder, cacheFolder: folder, note: () => undefined };
const repository = await Repository.open(folder, context);
const remotes = new Remotes(repository.config.remotes, process.env);
const move = what === "push" ? pushTargets : fetchTargets;
const work = { signal: new AbortController().signal, onProgress: () => undefined };
await move(repository, remotes, await findTargets(repository, []), "", work);
