/**
 * Restores `argv[2]` into the folder `argv[3]`, and dies by kill -9 at call number `argv[5]` of the function `argv[4]` of
 * node:fs/promises. Ends with 0 when there are fewer calls.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const [backup = "", stateFolder = "", name = "", nth = "0"] = process.argv.slice(2);
const calls = fs.promises as unknown as { [name: string]: (...args: unknown[]) => Promise<unknown> };
const real = calls[name];
let count = 0;
calls[name] = (...args) => {
  if (++count === Number(nth)) process.kill(process.pid, "SIGKILL");
  return real?.(...args) ?? Promise.resolve();
};
syncBuiltinESMExports();

const { restoreBackup } = await import("../../daemon/backup/restoring.ts");
await restoreBackup(
  { backup, stateFolder, delivers: true, onChecked: () => undefined, decide: () => undefined },
  new AbortController().signal,
);
