/** Forwards a unix socket to another, as `ssh -L` does; run as a process: `node socket-proxy.ts HERE THERE`. */
import { rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";

const [here = "", there = ""] = process.argv.slice(2);
// ssh takes the place of a socket that an earlier one left, with StreamLocalBindUnlink.
rmSync(here, { force: true });
createServer((near) => {
  const far = createConnection(there);
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
}).listen(here, () => process.stdout.write("ready\n"));
