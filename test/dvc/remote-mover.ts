/** A process that pushes or fetches all data of a repository: `node remote-mover.ts <folder> push|fetch`. */
import { fetchTargets } from "../../adapters/dvc/transfer-fetch.ts";
import { pushTargets } from "../../adapters/dvc/transfer-push.ts";
import { moved } from "./remote-room.ts";

const [folder = "", what = ""] = process.argv.slice(2);
await moved({ folder, env: process.env }, what === "push" ? pushTargets : fetchTargets);
